DROP TABLE webhook_call;
DROP TABLE webhook;
