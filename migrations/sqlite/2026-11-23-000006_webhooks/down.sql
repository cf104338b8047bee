DROP TABLE api_key_notice;
DROP TABLE webhook_call;
DROP TABLE webhook;
