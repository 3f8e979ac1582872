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
INSERT INTO "studies" VALUES(1,'svm');
INSERT INTO "studies" VALUES(2,'two');
INSERT INTO "studies" VALUES(3,'svm-wide');
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
INSERT INTO "study_directions" VALUES(2,'MINIMIZE',2,0);
INSERT INTO "study_directions" VALUES(3,'MINIMIZE',2,1);
INSERT INTO "study_directions" VALUES(4,'MAXIMIZE',3,0);
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
INSERT INTO "study_system_attributes" VALUES(2,2,'study:metric_names','["a", "b"]');
INSERT INTO "study_system_attributes" VALUES(3,3,'study:metric_names','["accuracy"]');
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_user_attributes" VALUES(1,1,'made_by','"trialogue"');
INSERT INTO "study_user_attributes" VALUES(2,1,'problem','"svm"');
INSERT INTO "study_user_attributes" VALUES(3,1,'description','"written by version 0.1"');
INSERT INTO "study_user_attributes" VALUES(4,2,'made_by','"trialogue"');
INSERT INTO "study_user_attributes" VALUES(5,2,'problem','"two"');
INSERT INTO "study_user_attributes" VALUES(6,2,'description','""');
INSERT INTO "study_user_attributes" VALUES(7,3,'made_by','"trialogue"');
INSERT INTO "study_user_attributes" VALUES(8,3,'problem','"svm"');
INSERT INTO "study_user_attributes" VALUES(9,3,'description','"written by version 0.1"');
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
INSERT INTO "trial_intermediate_values" VALUES(1,5,0,0.25,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(2,5,1,0.125,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(3,7,0,0.25,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(4,7,1,0.375,'FINITE');
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
INSERT INTO "trial_params" VALUES(1,1,'kernel',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "rbf"]}}');
INSERT INTO "trial_params" VALUES(2,1,'C',725.322005037,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 1000.0, "log": true}}');
INSERT INTO "trial_params" VALUES(3,2,'kernel',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "rbf"]}}');
INSERT INTO "trial_params" VALUES(4,2,'C',0.0132938947428,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 1000.0, "log": true}}');
INSERT INTO "trial_params" VALUES(5,3,'kernel',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "rbf"]}}');
INSERT INTO "trial_params" VALUES(6,3,'C',0.0203641186105,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 1000.0, "log": true}}');
INSERT INTO "trial_params" VALUES(7,4,'kernel',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "rbf"]}}');
INSERT INTO "trial_params" VALUES(8,4,'C',0.001531137276,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 1000.0, "log": true}}');
INSERT INTO "trial_params" VALUES(9,5,'kernel',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "rbf"]}}');
INSERT INTO "trial_params" VALUES(10,5,'C',452.228612009,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 1000.0, "log": true}}');
INSERT INTO "trial_params" VALUES(11,5,'gamma',0.000351452067445,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 10.0, "log": true}}');
INSERT INTO "trial_params" VALUES(12,6,'kernel',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "rbf"]}}');
INSERT INTO "trial_params" VALUES(13,6,'C',18.7866604732,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 1000.0, "log": true}}');
INSERT INTO "trial_params" VALUES(14,6,'gamma',0.00503959378573,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 10.0, "log": true}}');
INSERT INTO "trial_params" VALUES(15,7,'kernel',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "rbf"]}}');
INSERT INTO "trial_params" VALUES(16,7,'C',0.123262196631,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 1000.0, "log": true}}');
INSERT INTO "trial_params" VALUES(17,8,'kernel',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "rbf"]}}');
INSERT INTO "trial_params" VALUES(18,8,'C',2.0,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 1000.0, "log": true}}');
INSERT INTO "trial_params" VALUES(19,10,'x',0.881642902713,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(20,11,'x',0.846833231556,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(21,12,'kernel',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "rbf"]}}');
INSERT INTO "trial_params" VALUES(22,12,'C',725.322005037,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 10000.0, "log": true}}');
INSERT INTO "trial_params" VALUES(23,13,'kernel',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "rbf"]}}');
INSERT INTO "trial_params" VALUES(24,13,'C',0.0132938947428,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 10000.0, "log": true}}');
INSERT INTO "trial_params" VALUES(25,14,'kernel',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "rbf"]}}');
INSERT INTO "trial_params" VALUES(26,14,'C',0.0203641186105,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 10000.0, "log": true}}');
INSERT INTO "trial_params" VALUES(27,15,'kernel',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "rbf"]}}');
INSERT INTO "trial_params" VALUES(28,15,'C',0.001531137276,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 10000.0, "log": true}}');
INSERT INTO "trial_params" VALUES(29,16,'kernel',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "rbf"]}}');
INSERT INTO "trial_params" VALUES(30,16,'C',452.228612009,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 10000.0, "log": true}}');
INSERT INTO "trial_params" VALUES(31,16,'gamma',0.000351452067445,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 10.0, "log": true}}');
INSERT INTO "trial_params" VALUES(32,17,'kernel',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["linear", "rbf"]}}');
INSERT INTO "trial_params" VALUES(33,17,'C',2.0,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 10000.0, "log": true}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_system_attributes" VALUES(1,1,'constraints:size','-2.0');
INSERT INTO "trial_system_attributes" VALUES(2,1,'constraints','[-2.0]');
INSERT INTO "trial_system_attributes" VALUES(3,2,'constraints:size','1.0');
INSERT INTO "trial_system_attributes" VALUES(4,2,'constraints','[1.0]');
INSERT INTO "trial_system_attributes" VALUES(5,3,'constraints:size','-1.0');
INSERT INTO "trial_system_attributes" VALUES(6,3,'constraints','[-1.0]');
INSERT INTO "trial_system_attributes" VALUES(7,6,'constraints:size','-1.0');
INSERT INTO "trial_system_attributes" VALUES(8,6,'constraints','[-1.0]');
INSERT INTO "trial_system_attributes" VALUES(9,8,'constraints:size','-2.0');
INSERT INTO "trial_system_attributes" VALUES(10,8,'constraints','[-2.0]');
INSERT INTO "trial_system_attributes" VALUES(11,12,'constraints:size','-2.0');
INSERT INTO "trial_system_attributes" VALUES(12,12,'constraints','[-2.0]');
INSERT INTO "trial_system_attributes" VALUES(13,13,'constraints:size','1.0');
INSERT INTO "trial_system_attributes" VALUES(14,13,'constraints','[1.0]');
INSERT INTO "trial_system_attributes" VALUES(15,14,'constraints:size','-1.0');
INSERT INTO "trial_system_attributes" VALUES(16,14,'constraints','[-1.0]');
INSERT INTO "trial_system_attributes" VALUES(17,17,'constraints:size','-2.0');
INSERT INTO "trial_system_attributes" VALUES(18,17,'constraints','[-2.0]');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'source','"random"');
INSERT INTO "trial_user_attributes" VALUES(2,1,'verdict','"own"');
INSERT INTO "trial_user_attributes" VALUES(3,1,'reason','"drawn uniformly"');
INSERT INTO "trial_user_attributes" VALUES(4,1,'metric:loss','0.3');
INSERT INTO "trial_user_attributes" VALUES(5,1,'sem','[0.01]');
INSERT INTO "trial_user_attributes" VALUES(6,2,'source','"random"');
INSERT INTO "trial_user_attributes" VALUES(7,2,'verdict','"own"');
INSERT INTO "trial_user_attributes" VALUES(8,2,'reason','"drawn uniformly"');
INSERT INTO "trial_user_attributes" VALUES(9,3,'source','"random"');
INSERT INTO "trial_user_attributes" VALUES(10,3,'verdict','"own"');
INSERT INTO "trial_user_attributes" VALUES(11,3,'reason','"drawn uniformly"');
INSERT INTO "trial_user_attributes" VALUES(12,4,'source','"random"');
INSERT INTO "trial_user_attributes" VALUES(13,4,'verdict','"own"');
INSERT INTO "trial_user_attributes" VALUES(14,4,'reason','"drawn uniformly"');
INSERT INTO "trial_user_attributes" VALUES(15,4,'failure','"out of memory"');
INSERT INTO "trial_user_attributes" VALUES(16,4,'failure_kind','"out_of_memory"');
INSERT INTO "trial_user_attributes" VALUES(17,5,'source','"random"');
INSERT INTO "trial_user_attributes" VALUES(18,5,'verdict','"own"');
INSERT INTO "trial_user_attributes" VALUES(19,5,'reason','"drawn uniformly"');
INSERT INTO "trial_user_attributes" VALUES(20,6,'source','"random"');
INSERT INTO "trial_user_attributes" VALUES(21,6,'verdict','"own"');
INSERT INTO "trial_user_attributes" VALUES(22,6,'reason','"drawn uniformly"');
INSERT INTO "trial_user_attributes" VALUES(23,7,'source','"random"');
INSERT INTO "trial_user_attributes" VALUES(24,7,'verdict','"own"');
INSERT INTO "trial_user_attributes" VALUES(25,7,'reason','"drawn uniformly"');
INSERT INTO "trial_user_attributes" VALUES(26,8,'source','"user"');
INSERT INTO "trial_user_attributes" VALUES(27,8,'verdict','"added"');
INSERT INTO "trial_user_attributes" VALUES(28,8,'reason','"added from elsewhere"');
INSERT INTO "trial_user_attributes" VALUES(29,10,'source','"random"');
INSERT INTO "trial_user_attributes" VALUES(30,10,'verdict','"own"');
INSERT INTO "trial_user_attributes" VALUES(31,10,'reason','"drawn uniformly"');
INSERT INTO "trial_user_attributes" VALUES(32,11,'source','"random"');
INSERT INTO "trial_user_attributes" VALUES(33,11,'verdict','"own"');
INSERT INTO "trial_user_attributes" VALUES(34,11,'reason','"drawn uniformly"');
INSERT INTO "trial_user_attributes" VALUES(35,12,'source','"random"');
INSERT INTO "trial_user_attributes" VALUES(36,12,'verdict','"added"');
INSERT INTO "trial_user_attributes" VALUES(37,12,'reason','"trial 0 of ''svm'': drawn uniformly"');
INSERT INTO "trial_user_attributes" VALUES(38,13,'source','"random"');
INSERT INTO "trial_user_attributes" VALUES(39,13,'verdict','"added"');
INSERT INTO "trial_user_attributes" VALUES(40,13,'reason','"trial 1 of ''svm'': drawn uniformly"');
INSERT INTO "trial_user_attributes" VALUES(41,14,'source','"random"');
INSERT INTO "trial_user_attributes" VALUES(42,14,'verdict','"added"');
INSERT INTO "trial_user_attributes" VALUES(43,14,'reason','"trial 2 of ''svm'': drawn uniformly"');
INSERT INTO "trial_user_attributes" VALUES(44,15,'source','"random"');
INSERT INTO "trial_user_attributes" VALUES(45,15,'verdict','"added"');
INSERT INTO "trial_user_attributes" VALUES(46,15,'reason','"trial 3 of ''svm'': drawn uniformly"');
INSERT INTO "trial_user_attributes" VALUES(47,16,'source','"random"');
INSERT INTO "trial_user_attributes" VALUES(48,16,'verdict','"added"');
INSERT INTO "trial_user_attributes" VALUES(49,16,'reason','"trial 4 of ''svm'': drawn uniformly"');
INSERT INTO "trial_user_attributes" VALUES(50,17,'source','"user"');
INSERT INTO "trial_user_attributes" VALUES(51,17,'verdict','"added"');
INSERT INTO "trial_user_attributes" VALUES(52,17,'reason','"trial 7 of ''svm'': added from elsewhere"');
INSERT INTO "trial_user_attributes" VALUES(53,12,'metric:loss','0.3');
INSERT INTO "trial_user_attributes" VALUES(54,12,'sem','[0.01]');
INSERT INTO "trial_user_attributes" VALUES(55,15,'failure','"out of memory"');
INSERT INTO "trial_user_attributes" VALUES(56,15,'failure_kind','"out_of_memory"');
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
INSERT INTO "trial_values" VALUES(1,1,0,0.5,'FINITE');
INSERT INTO "trial_values" VALUES(2,2,0,0.9,'FINITE');
INSERT INTO "trial_values" VALUES(3,3,0,0.7,'FINITE');
INSERT INTO "trial_values" VALUES(4,5,0,0.125,'FINITE');
INSERT INTO "trial_values" VALUES(5,6,0,0.8,'FINITE');
INSERT INTO "trial_values" VALUES(6,8,0,0.6,'FINITE');
INSERT INTO "trial_values" VALUES(7,10,0,1.0,'FINITE');
INSERT INTO "trial_values" VALUES(8,10,1,2.0,'FINITE');
INSERT INTO "trial_values" VALUES(9,11,0,2.0,'FINITE');
INSERT INTO "trial_values" VALUES(10,11,1,1.0,'FINITE');
INSERT INTO "trial_values" VALUES(11,12,0,0.5,'FINITE');
INSERT INTO "trial_values" VALUES(12,13,0,0.9,'FINITE');
INSERT INTO "trial_values" VALUES(13,14,0,0.7,'FINITE');
INSERT INTO "trial_values" VALUES(14,16,0,0.125,'FINITE');
INSERT INTO "trial_values" VALUES(15,17,0,0.6,'FINITE');
CREATE TABLE trialogue_api_answers (key TEXT PRIMARY KEY, at DOUBLE PRECISION NOT NULL, status INTEGER NOT
        NULL,
           body TEXT NOT NULL);
CREATE TABLE trialogue_api_keys (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, scope TEXT NOT NULL,
        studies TEXT,
           made_at DOUBLE PRECISION NOT NULL, requests_per_minute INTEGER, asks_per_day BIGINT, tokens_per_day
           BIGINT);
CREATE TABLE trialogue_api_use (name TEXT NOT NULL, day INTEGER NOT NULL, asks BIGINT NOT NULL, tokens
        BIGINT NOT NULL,
           PRIMARY KEY (name, day));
CREATE TABLE trialogue_calls (study_id INTEGER NOT NULL, number INTEGER NOT NULL, at DOUBLE PRECISION NOT
        NULL,
           model TEXT NOT NULL, purpose TEXT NOT NULL, prompt_hash TEXT NOT NULL, outcome TEXT NOT NULL,
           prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, latency_s DOUBLE PRECISION NOT NULL,
           price DOUBLE PRECISION, detail TEXT NOT NULL, PRIMARY KEY (study_id, number));
CREATE TABLE trialogue_events (study_id INTEGER NOT NULL, number INTEGER NOT NULL, at DOUBLE PRECISION NOT
        NULL,
           kind TEXT NOT NULL, trial_number INTEGER, data TEXT NOT NULL, PRIMARY KEY (study_id, number));
INSERT INTO "trialogue_events" VALUES(1,1,1.79593376670511841773e+09,'created',NULL,'{"name": "svm", "seed": 3}');
INSERT INTO "trialogue_events" VALUES(1,2,1.79593376674054718022e+09,'asked',0,'{"source": "random", "verdict": "own"}');
INSERT INTO "trialogue_events" VALUES(1,3,1.79593376676519250866e+09,'told',0,'{"value": 0.5}');
INSERT INTO "trialogue_events" VALUES(1,4,1.79593376677997660639e+09,'asked',1,'{"source": "random", "verdict": "own"}');
INSERT INTO "trialogue_events" VALUES(1,5,1.79593376679721307758e+09,'told',1,'{"value": 0.9}');
INSERT INTO "trialogue_events" VALUES(1,6,1.79593376681405615807e+09,'asked',2,'{"source": "random", "verdict": "own"}');
INSERT INTO "trialogue_events" VALUES(1,7,1.79593376682529020302e+09,'told',2,'{"value": 0.7}');
INSERT INTO "trialogue_events" VALUES(1,8,1.79593376684197545052e+09,'asked',3,'{"source": "random", "verdict": "own"}');
INSERT INTO "trialogue_events" VALUES(1,9,1.79593376685344362263e+09,'failed',3,'{"kind": "out_of_memory", "reason": "out of memory"}');
INSERT INTO "trialogue_events" VALUES(1,10,1.79593376687000513079e+09,'asked',4,'{"source": "random", "verdict": "own"}');
INSERT INTO "trialogue_events" VALUES(1,11,1.79593376711523032181e+09,'pruned',4,'{"value": 0.125}');
INSERT INTO "trialogue_events" VALUES(1,12,1795933767.15389,'asked',5,'{"source": "random", "verdict": "own"}');
INSERT INTO "trialogue_events" VALUES(1,13,1.79593376716091012953e+09,'told',5,'{"value": 0.8}');
INSERT INTO "trialogue_events" VALUES(1,14,1.79593376716918826105e+09,'excluded',5,'{"reason": "wrong data"}');
INSERT INTO "trialogue_events" VALUES(1,15,1.79593376718470168116e+09,'asked',6,'{"source": "random", "verdict": "own"}');
INSERT INTO "trialogue_events" VALUES(1,16,1.79593376724248623846e+09,'added',7,'{"source": "user", "verdict": "added"}');
INSERT INTO "trialogue_events" VALUES(1,17,1.79593376726145672805e+09,'enqueued',NULL,'{"params": {"kernel": "linear", "C": 9.0}, "source": "user", "reason": "enqueued by the user"}');
INSERT INTO "trialogue_events" VALUES(1,18,1.7959337672682878971e+09,'note',NULL,'{"text": "a remark"}');
INSERT INTO "trialogue_events" VALUES(2,1,1.79593376745918226243e+09,'created',NULL,'{"name": "two", "seed": 0}');
INSERT INTO "trialogue_events" VALUES(2,2,1.79593376746896147728e+09,'asked',0,'{"source": "random", "verdict": "own"}');
INSERT INTO "trialogue_events" VALUES(2,3,1.79593376748512196542e+09,'told',0,'{"value": 1.0}');
INSERT INTO "trialogue_events" VALUES(2,4,1.79593376749366807941e+09,'asked',1,'{"source": "random", "verdict": "own"}');
INSERT INTO "trialogue_events" VALUES(2,5,1.79593376751730704303e+09,'told',1,'{"value": 2.0}');
INSERT INTO "trialogue_events" VALUES(3,1,1.79593376756043601035e+09,'created',NULL,'{"name": "svm-wide", "seed": 3}');
INSERT INTO "trialogue_events" VALUES(3,2,1.79593376756951093667e+09,'forked',NULL,'{"parent": "svm", "copied": 6, "left_out": 0}');
INSERT INTO "trialogue_events" VALUES(3,3,1.79593376756951093667e+09,'added',0,'{"source": "random", "verdict": "added"}');
INSERT INTO "trialogue_events" VALUES(3,4,1.79593376756951093667e+09,'added',1,'{"source": "random", "verdict": "added"}');
INSERT INTO "trialogue_events" VALUES(3,5,1.79593376756951093667e+09,'added',2,'{"source": "random", "verdict": "added"}');
INSERT INTO "trialogue_events" VALUES(3,6,1.79593376756951093667e+09,'added',3,'{"source": "random", "verdict": "added"}');
INSERT INTO "trialogue_events" VALUES(3,7,1.79593376756951093667e+09,'added',4,'{"source": "random", "verdict": "added"}');
INSERT INTO "trialogue_events" VALUES(3,8,1.79593376756951093667e+09,'added',5,'{"source": "user", "verdict": "added"}');
CREATE TABLE trialogue_foreign (study_id INTEGER NOT NULL, trial_id INTEGER NOT NULL,
           PRIMARY KEY (study_id, trial_id));
INSERT INTO "trialogue_foreign" VALUES(1,9);
CREATE TABLE trialogue_leases (study_id INTEGER NOT NULL, number INTEGER NOT NULL, worker TEXT NOT NULL,
           host TEXT NOT NULL, boot_id TEXT NOT NULL, pid INTEGER, process_started TEXT, expires_at DOUBLE PRECISION
           NOT NULL, expires_mono DOUBLE PRECISION, PRIMARY KEY (study_id, number));
INSERT INTO "trialogue_leases" VALUES(1,6,'worker','elsewhere','',NULL,NULL,1.0,NULL);
CREATE TABLE trialogue_messages (study_id INTEGER NOT NULL, number INTEGER NOT NULL, at DOUBLE PRECISION NOT
        NULL,
           role TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (study_id, number));
CREATE TABLE trialogue_queue (study_id INTEGER NOT NULL, position INTEGER NOT NULL, params TEXT NOT NULL,
           source TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (study_id, position));
INSERT INTO "trialogue_queue" VALUES(1,1,'{"kernel": "linear", "C": 9.0}','user','enqueued by the user');
CREATE TABLE trialogue_schema
    (version INTEGER PRIMARY KEY, applied_at DOUBLE PRECISION NOT NULL, last_study_id INTEGER NOT NULL);
INSERT INTO "trialogue_schema" VALUES(1,1.79593376665160965924e+09,3);
INSERT INTO "trialogue_schema" VALUES(2,1.79593376665728926664e+09,3);
INSERT INTO "trialogue_schema" VALUES(3,1.79593376665767192842e+09,3);
INSERT INTO "trialogue_schema" VALUES(4,1.7959337666581926346e+09,3);
CREATE TABLE trialogue_studies (study_id INTEGER PRIMARY KEY, problem TEXT NOT NULL, seed BIGINT NOT NULL,
           config TEXT NOT NULL, lineage TEXT, created_at DOUBLE PRECISION NOT NULL, revision INTEGER NOT NULL,
           asked INTEGER NOT NULL, next_number INTEGER NOT NULL, last_trial_id INTEGER NOT NULL, queued INTEGER NOT
           NULL, queue_end INTEGER NOT NULL, calls INTEGER NOT NULL, tokens INTEGER NOT NULL, price DOUBLE PRECISION
           NOT NULL);
INSERT INTO "trialogue_studies" VALUES(1,'{"name": "svm", "description": "written by version 0.1", "objectives": [{"name": "accuracy", "direction": "maximize"}], "constraints": [{"name": "size", "upper": 3.0}], "context": {}, "space": {"parameters": {"kernel": {"type": "categorical", "choices": ["linear", "rbf"], "default": "rbf"}, "C": {"type": "float", "low": 0.001, "high": 1000.0, "log": true, "default": 1.0}, "gamma": {"type": "float", "low": 1e-05, "high": 10.0, "log": true, "default": 0.1, "when": {"kernel": ["rbf"]}}}}}',3,'{"strategy": "random", "budget": {"trials": 20}}',NULL,1.79593376669346237181e+09,18,7,9,9,1,1,0,0,0.0);
INSERT INTO "trialogue_studies" VALUES(2,'{"name": "two", "description": "", "objectives": [{"name": "a", "direction": "minimize"}, {"name": "b", "direction": "minimize"}], "constraints": [], "context": {}, "space": {"parameters": {"x": {"type": "float", "low": 0.0, "high": 1.0}}}}',0,'{"strategy": "random"}',NULL,1.79593376744295477867e+09,5,2,2,11,0,0,0,0,0.0);
INSERT INTO "trialogue_studies" VALUES(3,'{"name": "svm", "description": "written by version 0.1", "objectives": [{"name": "accuracy", "direction": "maximize"}], "constraints": [{"name": "size", "upper": 3.0}], "context": {}, "space": {"parameters": {"kernel": {"type": "categorical", "choices": ["linear", "rbf"], "default": "rbf"}, "C": {"type": "float", "low": 0.001, "high": 10000.0, "log": true, "default": 1.0}, "gamma": {"type": "float", "low": 1e-05, "high": 10.0, "log": true, "default": 0.1, "when": {"kernel": ["rbf"]}}}}}',3,'{"strategy": "random", "budget": {"trials": 20}}','{"parent": "svm", "copied": 6, "left_out": 0, "why_left_out": []}',1.79593376753514647478e+09,8,0,6,17,0,0,0,0,0.0);
CREATE TABLE trialogue_trials (study_id INTEGER NOT NULL, number INTEGER NOT NULL, trial_id INTEGER NOT NULL,
           key TEXT NOT NULL, replicate INTEGER NOT NULL, revision INTEGER NOT NULL, state TEXT NOT NULL, params TEXT
           NOT NULL, source TEXT NOT NULL, verdict TEXT NOT NULL, decision TEXT NOT NULL, value DOUBLE PRECISION,
           feasible INTEGER, outcome TEXT, excluded TEXT, started_at DOUBLE PRECISION, ended_at DOUBLE PRECISION,
           PRIMARY KEY (study_id, number), UNIQUE (study_id, key, replicate));
INSERT INTO "trialogue_trials" VALUES(1,0,1,'de37680cad0616d1b5f4478996ca338e',0,3,'finished','{"kernel": "linear", "C": 725.322005037}','random','own','{"reason": "drawn uniformly"}',0.5,1,'{"values": [0.5], "sem": [0.01], "constraints": {"size": 1.0}, "metrics": {"loss": 0.3}}',NULL,1.79593376674054718022e+09,1.79593376676519250866e+09);
INSERT INTO "trialogue_trials" VALUES(1,1,2,'907a51cda172791d03c73d73fb1e35b3',0,5,'finished','{"kernel": "linear", "C": 0.0132938947428}','random','own','{"reason": "drawn uniformly"}',0.9,0,'{"values": [0.9], "constraints": {"size": 4.0}}',NULL,1.79593376677997660639e+09,1.79593376679721307758e+09);
INSERT INTO "trialogue_trials" VALUES(1,2,3,'7cbc8c67f0ac3d3a316142e86b835f4d',0,7,'finished','{"kernel": "linear", "C": 0.0203641186105}','random','own','{"reason": "drawn uniformly"}',0.7,1,'{"values": [0.7], "constraints": {"size": 2.0}}',NULL,1.79593376681405615807e+09,1.79593376682529020302e+09);
INSERT INTO "trialogue_trials" VALUES(1,3,4,'24cbbb22b57e91bd4c48f0eefc1836a8',0,9,'failed','{"kernel": "linear", "C": 0.001531137276}','random','own','{"reason": "drawn uniformly"}',NULL,NULL,'{"kind": "out_of_memory", "reason": "out of memory"}',NULL,1.79593376684197545052e+09,1.79593376685344362263e+09);
INSERT INTO "trialogue_trials" VALUES(1,4,5,'7753b1c67a4826bd98cc1836e2080433',0,11,'pruned','{"kernel": "rbf", "C": 452.228612009, "gamma": 0.000351452067445}','random','own','{"reason": "drawn uniformly"}',0.125,NULL,'{"step": 1, "value": 0.125}',NULL,1.79593376687000513079e+09,1.79593376711523032181e+09);
INSERT INTO "trialogue_trials" VALUES(1,5,6,'0608aab1b747ee7b64e26dbd36852941',0,14,'finished','{"kernel": "rbf", "C": 18.7866604732, "gamma": 0.00503959378573}','random','own','{"reason": "drawn uniformly"}',0.8,1,'{"values": [0.8], "constraints": {"size": 2.0}}','wrong data',1795933767.15389,1.79593376716091012953e+09);
INSERT INTO "trialogue_trials" VALUES(1,6,7,'3800d5adf0a7b6a542c4bd0765e39efd',0,15,'running','{"kernel": "linear", "C": 0.123262196631}','random','own','{"reason": "drawn uniformly"}',NULL,NULL,NULL,NULL,1.79593376718470168116e+09,NULL);
INSERT INTO "trialogue_trials" VALUES(1,7,8,'b5f4c6d44f4dbde222379bf86ea493e3',0,16,'finished','{"kernel": "linear", "C": 2.0}','user','added','{"reason": "added from elsewhere"}',0.6,1,'{"values": [0.6], "constraints": {"size": 1.0}}',NULL,1.7959337672423059941e+09,1.7959337672423059941e+09);
INSERT INTO "trialogue_trials" VALUES(2,0,10,'b01f6644ee96d5ffeca363cfbc46c337',0,3,'finished','{"x": 0.881642902713}','random','own','{"reason": "drawn uniformly"}',1.0,1,'{"values": [1.0, 2.0]}',NULL,1.79593376746896147728e+09,1.79593376748512196542e+09);
INSERT INTO "trialogue_trials" VALUES(2,1,11,'24ed52385de383a83383233ecd8253e1',0,5,'finished','{"x": 0.846833231556}','random','own','{"reason": "drawn uniformly"}',2.0,1,'{"values": [2.0, 1.0]}',NULL,1.79593376749366807941e+09,1.79593376751730704303e+09);
INSERT INTO "trialogue_trials" VALUES(3,0,12,'de37680cad0616d1b5f4478996ca338e',0,3,'finished','{"kernel": "linear", "C": 725.322005037}','random','added','{"reason": "trial 0 of ''svm'': drawn uniformly"}',0.5,1,'{"values": [0.5], "sem": [0.01], "constraints": {"size": 1.0}, "metrics": {"loss": 0.3}}',NULL,1.79593376674054718022e+09,1.79593376676519250866e+09);
INSERT INTO "trialogue_trials" VALUES(3,1,13,'907a51cda172791d03c73d73fb1e35b3',0,4,'finished','{"kernel": "linear", "C": 0.0132938947428}','random','added','{"reason": "trial 1 of ''svm'': drawn uniformly"}',0.9,0,'{"values": [0.9], "constraints": {"size": 4.0}}',NULL,1.79593376677997660639e+09,1.79593376679721307758e+09);
INSERT INTO "trialogue_trials" VALUES(3,2,14,'7cbc8c67f0ac3d3a316142e86b835f4d',0,5,'finished','{"kernel": "linear", "C": 0.0203641186105}','random','added','{"reason": "trial 2 of ''svm'': drawn uniformly"}',0.7,1,'{"values": [0.7], "constraints": {"size": 2.0}}',NULL,1.79593376681405615807e+09,1.79593376682529020302e+09);
INSERT INTO "trialogue_trials" VALUES(3,3,15,'24cbbb22b57e91bd4c48f0eefc1836a8',0,6,'failed','{"kernel": "linear", "C": 0.001531137276}','random','added','{"reason": "trial 3 of ''svm'': drawn uniformly"}',NULL,NULL,'{"kind": "out_of_memory", "reason": "out of memory"}',NULL,1.79593376684197545052e+09,1.79593376685344362263e+09);
INSERT INTO "trialogue_trials" VALUES(3,4,16,'7753b1c67a4826bd98cc1836e2080433',0,7,'pruned','{"kernel": "rbf", "C": 452.228612009, "gamma": 0.000351452067445}','random','added','{"reason": "trial 4 of ''svm'': drawn uniformly"}',0.125,NULL,'{"step": 1, "value": 0.125}',NULL,1.79593376687000513079e+09,1.79593376711523032181e+09);
INSERT INTO "trialogue_trials" VALUES(3,5,17,'b5f4c6d44f4dbde222379bf86ea493e3',0,8,'finished','{"kernel": "linear", "C": 2.0}','user','added','{"reason": "trial 7 of ''svm'': added from elsewhere"}',0.6,1,'{"values": [0.6], "constraints": {"size": 1.0}}',NULL,1.7959337672423059941e+09,1.7959337672423059941e+09);
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
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-29 06:29:26.740547','2026-11-29 06:29:26.765193');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-11-29 06:29:26.779977','2026-11-29 06:29:26.797213');
INSERT INTO "trials" VALUES(3,2,1,'COMPLETE','2026-11-29 06:29:26.814056','2026-11-29 06:29:26.825290');
INSERT INTO "trials" VALUES(4,3,1,'FAIL','2026-11-29 06:29:26.841975','2026-11-29 06:29:26.853444');
INSERT INTO "trials" VALUES(5,4,1,'PRUNED','2026-11-29 06:29:26.870005','2026-11-29 06:29:27.115230');
INSERT INTO "trials" VALUES(6,5,1,'COMPLETE','2026-11-29 06:29:27.153890','2026-11-29 06:29:27.160910');
INSERT INTO "trials" VALUES(7,6,1,'RUNNING','2026-11-29 06:29:27.184702',NULL);
INSERT INTO "trials" VALUES(8,7,1,'COMPLETE','2026-11-29 06:29:27.242306','2026-11-29 06:29:27.242306');
INSERT INTO "trials" VALUES(9,8,1,'RUNNING','2026-11-29 06:29:27.377543',NULL);
INSERT INTO "trials" VALUES(10,0,2,'COMPLETE','2026-11-29 06:29:27.468961','2026-11-29 06:29:27.485122');
INSERT INTO "trials" VALUES(11,1,2,'COMPLETE','2026-11-29 06:29:27.493668','2026-11-29 06:29:27.517307');
INSERT INTO "trials" VALUES(12,0,3,'COMPLETE','2026-11-29 06:29:26.740547','2026-11-29 06:29:26.765193');
INSERT INTO "trials" VALUES(13,1,3,'COMPLETE','2026-11-29 06:29:26.779977','2026-11-29 06:29:26.797213');
INSERT INTO "trials" VALUES(14,2,3,'COMPLETE','2026-11-29 06:29:26.814056','2026-11-29 06:29:26.825290');
INSERT INTO "trials" VALUES(15,3,3,'FAIL','2026-11-29 06:29:26.841975','2026-11-29 06:29:26.853444');
INSERT INTO "trials" VALUES(16,4,3,'PRUNED','2026-11-29 06:29:26.870005','2026-11-29 06:29:27.115230');
INSERT INTO "trials" VALUES(17,5,3,'COMPLETE','2026-11-29 06:29:27.242306','2026-11-29 06:29:27.242306');
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'5.0.0');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
CREATE INDEX trialogue_trials_by_revision ON trialogue_trials (study_id, revision);
CREATE INDEX trialogue_trials_by_kind ON trialogue_trials
           (study_id, state, source, verdict, excluded, ended_at, started_at);
CREATE INDEX trialogue_trials_by_value ON trialogue_trials (study_id, state, excluded, value, number);
COMMIT;
