-- A journal that version 2 wrote: its code made the tables and all rows.
BEGIN TRANSACTION;
CREATE TABLE conversations (
    conversation_id TEXT PRIMARY KEY, started REAL NOT NULL, title TEXT NOT NULL
);
INSERT INTO "conversations" VALUES('c',1000.0,'iris');
CREATE TABLE messages (
    conversation_id TEXT NOT NULL REFERENCES conversations, number INTEGER NOT NULL,
    time REAL NOT NULL, message TEXT NOT NULL, PRIMARY KEY (conversation_id, number)
);
INSERT INTO "messages" VALUES('c',0,1002.0,'{"role": "user", "text": "hello"}');
CREATE TABLE model_calls (
    owner TEXT NOT NULL REFERENCES conversations, key TEXT NOT NULL, status TEXT NOT NULL,
    started REAL NOT NULL, ended REAL, intent TEXT NOT NULL, outcome TEXT, PRIMARY KEY (owner, key)
);
CREATE TABLE plans (
    owner TEXT NOT NULL REFERENCES runs, key TEXT NOT NULL, status TEXT NOT NULL,
    started REAL NOT NULL, ended REAL, intent TEXT NOT NULL, outcome TEXT, PRIMARY KEY (owner, key)
);
INSERT INTO "plans" VALUES('r','xgboost','done',1003.0,1004.0,'{"plan_id": "xgboost", "expert": "xgboost", "data": "iris", "metric": "log_loss", "settings": {"rate": 0.5}, "predicted_log": {"predictor": "model card", "metric": "log_loss", "points": [{"step": 10, "median": 0.5, "low": 0.4, "high": 0.6}, {"step": 20, "median": 0.3, "low": 0.2, "high": 0.5}], "seconds": 1.5, "memory_mib": 300.0}}','{"approved": true}');
INSERT INTO "plans" VALUES('r','linear','done',1006.0,1007.0,'{"plan_id": "linear", "expert": "linear", "data": "iris", "metric": "log_loss", "settings": {"rate": 0.5}, "predicted_log": {"predictor": "model card", "metric": "log_loss", "points": [{"step": 10, "median": 0.5, "low": 0.4, "high": 0.6}, {"step": 20, "median": 0.3, "low": 0.2, "high": 0.5}], "seconds": 1.5, "memory_mib": 300.0}}','{"approved": true}');
INSERT INTO "plans" VALUES('r','slow','done',1009.0,1010.0,'{"plan_id": "slow", "expert": "slow", "data": "iris", "metric": "log_loss", "settings": {"rate": 0.5}, "predicted_log": {"predictor": "model card", "metric": "log_loss", "points": [{"step": 10, "median": 0.5, "low": 0.4, "high": 0.6}, {"step": 20, "median": 0.3, "low": 0.2, "high": 0.5}], "seconds": 1.5, "memory_mib": 300.0}}','{"approved": true}');
CREATE TABLE predictions (
    owner TEXT NOT NULL REFERENCES runs, key TEXT NOT NULL, status TEXT NOT NULL,
    started REAL NOT NULL, ended REAL, intent TEXT NOT NULL, outcome TEXT, PRIMARY KEY (owner, key)
);
INSERT INTO "predictions" VALUES('r','xgboost','done',1005.0,1018.0,'{"predictor": "model card", "metric": "log_loss", "points": [{"step": 10, "median": 0.5, "low": 0.4, "high": 0.6}, {"step": 20, "median": 0.3, "low": 0.2, "high": 0.5}], "seconds": 1.5, "memory_mib": 300.0}','{"plan_id": "xgboost", "predictor": "model card", "predicted": 0.3, "low": 0.2, "high": 0.5, "measured": 0.25, "is_inside": true, "predicted_seconds": 1.5, "measured_seconds": 2.0, "predicted_memory_mib": 300.0, "measured_memory_mib": 200.0}');
INSERT INTO "predictions" VALUES('r','linear','started',1008.0,NULL,'{"predictor": "model card", "metric": "log_loss", "points": [{"step": 10, "median": 0.5, "low": 0.4, "high": 0.6}, {"step": 20, "median": 0.3, "low": 0.2, "high": 0.5}], "seconds": 1.5, "memory_mib": 300.0}',NULL);
INSERT INTO "predictions" VALUES('r','slow','started',1011.0,NULL,'{"predictor": "model card", "metric": "log_loss", "points": [{"step": 10, "median": 0.5, "low": 0.4, "high": 0.6}, {"step": 20, "median": 0.3, "low": 0.2, "high": 0.5}], "seconds": 1.5, "memory_mib": 300.0}',NULL);
CREATE TABLE runs (
    run_id TEXT PRIMARY KEY, conversation_id TEXT NOT NULL REFERENCES conversations,
    status TEXT NOT NULL, started REAL NOT NULL, ended REAL, request TEXT NOT NULL, result TEXT
);
INSERT INTO "runs" VALUES('r','c','started',1001.0,NULL,'{"table": "iris", "target": "target"}',NULL);
CREATE TABLE steps (
    owner TEXT NOT NULL REFERENCES runs, key TEXT NOT NULL, status TEXT NOT NULL,
    started REAL NOT NULL, ended REAL, intent TEXT NOT NULL, outcome TEXT, PRIMARY KEY (owner, key)
);
CREATE TABLE tool_calls (
    owner TEXT NOT NULL REFERENCES conversations, key TEXT NOT NULL, status TEXT NOT NULL,
    started REAL NOT NULL, ended REAL, intent TEXT NOT NULL, outcome TEXT, PRIMARY KEY (owner, key)
);
CREATE TABLE trials (
    owner TEXT NOT NULL REFERENCES runs, key TEXT NOT NULL, status TEXT NOT NULL,
    started REAL NOT NULL, ended REAL, intent TEXT NOT NULL, outcome TEXT, PRIMARY KEY (owner, key)
);
INSERT INTO "trials" VALUES('r','xgboost-1','failed',1012.0,1013.0,'{"plan_id": "xgboost", "settings": {"rate": 0.5}}','{"trial_id": "xgboost-1", "status": "error", "valid_score": null, "seconds": 2.0, "max_rss_mib": 200.0}');
INSERT INTO "trials" VALUES('r','xgboost-2','done',1014.0,1015.0,'{"plan_id": "xgboost", "settings": {"rate": 0.5}}','{"trial_id": "xgboost-2", "status": "ok", "valid_score": 0.25, "seconds": 2.0, "max_rss_mib": 200.0}');
INSERT INTO "trials" VALUES('r','linear-1','failed',1016.0,1017.0,'{"plan_id": "linear", "settings": {"rate": 0.5}}','{"trial_id": "linear-1", "status": "timeout", "valid_score": null, "seconds": 2.0, "max_rss_mib": 200.0}');
CREATE TRIGGER messages_fixed BEFORE UPDATE ON messages
BEGIN SELECT RAISE(ABORT, 'a message never changes'); END;
CREATE TRIGGER runs_ended BEFORE UPDATE ON runs WHEN OLD.ended IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'an ended row never changes'); END;
CREATE TRIGGER tool_calls_ended BEFORE UPDATE ON tool_calls WHEN OLD.ended IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'an ended row never changes'); END;
CREATE TRIGGER model_calls_ended BEFORE UPDATE ON model_calls WHEN OLD.ended IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'an ended row never changes'); END;
CREATE TRIGGER plans_ended BEFORE UPDATE ON plans WHEN OLD.ended IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'an ended row never changes'); END;
CREATE TRIGGER steps_ended BEFORE UPDATE ON steps WHEN OLD.ended IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'an ended row never changes'); END;
CREATE TRIGGER trials_ended BEFORE UPDATE ON trials WHEN OLD.ended IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'an ended row never changes'); END;
CREATE TRIGGER predictions_ended BEFORE UPDATE ON predictions WHEN OLD.ended IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'an ended row never changes'); END;
CREATE TRIGGER runs_kept BEFORE DELETE ON runs
BEGIN SELECT RAISE(ABORT, 'the journal is not deleted from'); END;
CREATE TRIGGER messages_kept BEFORE DELETE ON messages
BEGIN SELECT RAISE(ABORT, 'the journal is not deleted from'); END;
CREATE TRIGGER tool_calls_kept BEFORE DELETE ON tool_calls
BEGIN SELECT RAISE(ABORT, 'the journal is not deleted from'); END;
CREATE TRIGGER model_calls_kept BEFORE DELETE ON model_calls
BEGIN SELECT RAISE(ABORT, 'the journal is not deleted from'); END;
CREATE TRIGGER plans_kept BEFORE DELETE ON plans
BEGIN SELECT RAISE(ABORT, 'the journal is not deleted from'); END;
CREATE TRIGGER steps_kept BEFORE DELETE ON steps
BEGIN SELECT RAISE(ABORT, 'the journal is not deleted from'); END;
CREATE TRIGGER trials_kept BEFORE DELETE ON trials
BEGIN SELECT RAISE(ABORT, 'the journal is not deleted from'); END;
CREATE TRIGGER predictions_kept BEFORE DELETE ON predictions
BEGIN SELECT RAISE(ABORT, 'the journal is not deleted from'); END;
COMMIT;
PRAGMA application_id = 1095192148;
PRAGMA user_version = 2;
