-- Studies of a rare station, found without walking all of them. One entry a series; nothing that changes with an
-- object is in it, so that the counters of a series are still updated in place.
CREATE INDEX series_station ON series (station_name) WHERE station_name <> '';
