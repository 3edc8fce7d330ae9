BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'from 4.9');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MAXIMIZE',1,0);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_system_attributes" VALUES(1,1,'study:metric_names','["accuracy"]');
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_user_attributes" VALUES(1,1,'what','["a study", null, {"x": Infinity}]');
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_intermediate_values" VALUES(1,1,0,0.1,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(2,1,7,NULL,'NAN');
INSERT INTO "trial_intermediate_values" VALUES(3,1,3,NULL,'INF_POS');
INSERT INTO "trial_intermediate_values" VALUES(4,1,2,NULL,'INF_NEG');
INSERT INTO "trial_intermediate_values" VALUES(5,2,0,0.1,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(6,2,7,NULL,'NAN');
INSERT INTO "trial_intermediate_values" VALUES(7,2,3,NULL,'INF_POS');
INSERT INTO "trial_intermediate_values" VALUES(8,2,2,NULL,'INF_NEG');
INSERT INTO "trial_intermediate_values" VALUES(9,3,0,0.1,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(10,3,7,NULL,'NAN');
INSERT INTO "trial_intermediate_values" VALUES(11,3,3,NULL,'INF_POS');
INSERT INTO "trial_intermediate_values" VALUES(12,3,2,NULL,'INF_NEG');
INSERT INTO "trial_intermediate_values" VALUES(13,4,0,0.1,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(14,4,7,NULL,'NAN');
INSERT INTO "trial_intermediate_values" VALUES(15,4,3,NULL,'INF_POS');
INSERT INTO "trial_intermediate_values" VALUES(16,4,2,NULL,'INF_NEG');
INSERT INTO "trial_intermediate_values" VALUES(17,5,1,0.5,'FINITE');
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'x',-0.165955990594852,'{"name": "FloatDistribution", "attributes": {"step": null, "low": -1.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(2,1,'log',1.59677944875836260504e+02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 100000.0, "log": true}}');
INSERT INTO "trial_params" VALUES(3,1,'step',0.0,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.0, "high": 0.7, "log": false}}');
INSERT INTO "trial_params" VALUES(4,1,'log int',5.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 1000}}');
INSERT INTO "trial_params" VALUES(5,1,'step int',0.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 2, "low": 0, "high": 8}}');
INSERT INTO "trial_params" VALUES(6,1,'kind',4.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [null, true, 3, -2.5, "n\u00e9", ""]}}');
INSERT INTO "trial_params" VALUES(7,2,'x',0.370439000793519,'{"name": "FloatDistribution", "attributes": {"step": null, "low": -1.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(8,2,'log',1.10795595820296086456e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 100000.0, "log": true}}');
INSERT INTO "trial_params" VALUES(9,2,'step',0.7,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.0, "high": 0.7, "log": false}}');
INSERT INTO "trial_params" VALUES(10,2,'log int',1.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 1000}}');
INSERT INTO "trial_params" VALUES(11,2,'step int',6.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 2, "low": 0, "high": 8}}');
INSERT INTO "trial_params" VALUES(12,2,'kind',5.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [null, true, 3, -2.5, "n\u00e9", ""]}}');
INSERT INTO "trial_params" VALUES(13,3,'x',-3.73151643681514322281e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": -1.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(14,3,'log',8.37965534916664722686e+01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 100000.0, "log": true}}');
INSERT INTO "trial_params" VALUES(15,3,'step',0.7,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.0, "high": 0.7, "log": false}}');
INSERT INTO "trial_params" VALUES(16,3,'log int',449.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 1000}}');
INSERT INTO "trial_params" VALUES(17,3,'step int',0.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 2, "low": 0, "high": 8}}');
INSERT INTO "trial_params" VALUES(18,3,'kind',5.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [null, true, 3, -2.5, "n\u00e9", ""]}}');
INSERT INTO "trial_params" VALUES(19,4,'x',6.63305699460341458006e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": -1.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(20,4,'log',8.29413575624605528026e+01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 100000.0, "log": true}}');
INSERT INTO "trial_params" VALUES(21,4,'step',0.2,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.0, "high": 0.7, "log": false}}');
INSERT INTO "trial_params" VALUES(22,4,'log int',92.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 1000}}');
INSERT INTO "trial_params" VALUES(23,4,'step int',8.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 2, "low": 0, "high": 8}}');
INSERT INTO "trial_params" VALUES(24,4,'kind',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [null, true, 3, -2.5, "n\u00e9", ""]}}');
INSERT INTO "trial_params" VALUES(25,5,'x',0.25,'{"name": "FloatDistribution", "attributes": {"step": null, "low": -1.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(26,7,'UniformDistribution',1.0,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(27,8,'IntLogUniformDistribution',1.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 8}}');
INSERT INTO "trial_params" VALUES(28,9,'DiscreteUniformDistribution',1.0,'{"name": "FloatDistribution", "attributes": {"step": 0.25, "low": 0.0, "high": 1.0, "log": false}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_system_attributes" VALUES(1,1,'constraints','[-0.165955990594852, -1.0]');
INSERT INTO "trial_system_attributes" VALUES(2,2,'constraints','[0.370439000793519, -1.0]');
INSERT INTO "trial_system_attributes" VALUES(3,4,'constraints','[0.06633056994603415, -1.0]');
INSERT INTO "trial_system_attributes" VALUES(4,5,'fixed_params','{"x": 0.25}');
INSERT INTO "trial_system_attributes" VALUES(5,6,'fixed_params','{"x": -0.5}');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'nested','{"a": [1, null, "\u00fc"]}');
INSERT INTO "trial_user_attributes" VALUES(2,2,'nested','{"a": [1, null, "\u00fc"]}');
INSERT INTO "trial_user_attributes" VALUES(3,3,'nested','{"a": [1, null, "\u00fc"]}');
INSERT INTO "trial_user_attributes" VALUES(4,4,'nested','{"a": [1, null, "\u00fc"]}');
INSERT INTO "trial_user_attributes" VALUES(5,5,'from','"the queue"');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,-0.165955990594852,'FINITE');
INSERT INTO "trial_values" VALUES(2,4,0,NULL,'INF_POS');
INSERT INTO "trial_values" VALUES(3,7,0,0.0,'FINITE');
INSERT INTO "trial_values" VALUES(4,8,0,0.0,'FINITE');
INSERT INTO "trial_values" VALUES(5,9,0,0.0,'FINITE');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-22 07:53:41.461011','2026-11-22 07:53:41.535313');
INSERT INTO "trials" VALUES(2,1,1,'PRUNED','2026-11-22 07:53:41.553978','2026-11-22 07:53:41.598057');
INSERT INTO "trials" VALUES(3,2,1,'FAIL','2026-11-22 07:53:41.605440','2026-11-22 07:53:41.639285');
INSERT INTO "trials" VALUES(4,3,1,'COMPLETE','2026-11-22 07:53:41.646062','2026-11-22 07:53:41.702737');
INSERT INTO "trials" VALUES(5,4,1,'RUNNING','2026-11-22 07:53:41.727726',NULL);
INSERT INTO "trials" VALUES(6,5,1,'WAITING',NULL,NULL);
INSERT INTO "trials" VALUES(7,6,1,'COMPLETE','2026-11-22 07:53:41.740593','2026-11-22 07:53:41.740593');
INSERT INTO "trials" VALUES(8,7,1,'COMPLETE','2026-11-22 07:53:41.746085','2026-11-22 07:53:41.746085');
INSERT INTO "trials" VALUES(9,8,1,'COMPLETE','2026-11-22 07:53:41.751549','2026-11-22 07:53:41.751549');
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'4.9.0');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
COMMIT;
