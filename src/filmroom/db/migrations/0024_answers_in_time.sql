-- Questions about studies by what their series say: some series of a study by its station, and the texts of series.

CREATE INDEX series_study_station ON series (study_pk, station_name) WHERE station_name <> '';
CREATE INDEX series_body_part ON series (body_part) WHERE body_part <> '';
CREATE INDEX series_institution ON series (institution) WHERE institution <> '';
