-- Questions about studies by what their series say: some series of a study by its station, and the texts of series.

CREATE INDEX series_study_station ON series (study_pk, station_name) WHERE station_name <> '';
CREATE INDEX series_body_part ON series (body_part) WHERE body_part <> '';
CREATE INDEX series_institution ON series (institution) WHERE institution <> '';

-- What scopes name, so that who sees little is not looked for among everything.
CREATE INDEX study_site ON study (site_pk) WHERE site_pk IS NOT NULL;
CREATE INDEX study_department ON study (department_pk) WHERE department_pk IS NOT NULL;
CREATE INDEX study_assignee_principal ON study_assignee (principal);
