-- Copies of what the server wrote for one person and one client, from the number :first to :last, with time-ordered ids (RFC 9562 §5.7) as its own have.
CREATE FUNCTION pg_temp.v7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
  SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid
$$;
CREATE TEMP TABLE model AS SELECT id FROM accounts WHERE normalized_email = 'BENCH1@EXAMPLE.COM';
CREATE TEMP TABLE people AS SELECT i, 'person' || i || '@example.com' AS address, pg_temp.v7() AS account, 'session' || i AS session FROM generate_series(:first, :last) i;

INSERT INTO accounts SELECT r.* FROM people, accounts a,
  jsonb_populate_record(a, jsonb_build_object('id', account, 'email', address, 'normalized_email', upper(address), 'search_text', upper(address), 'security_stamp', md5(address))) r
  WHERE a.id = (SELECT id FROM model);
INSERT INTO credentials SELECT r.* FROM people, credentials c, jsonb_populate_record(c, jsonb_build_object('account_id', account)) r WHERE c.account_id = (SELECT id FROM model);
INSERT INTO sessions SELECT r.* FROM people, (SELECT * FROM sessions WHERE account_id = (SELECT id FROM model) LIMIT 1) s,
  jsonb_populate_record(s::sessions, jsonb_build_object('id', session, 'account_id', account)) r;
INSERT INTO authorizations SELECT r.* FROM people, (SELECT * FROM authorizations WHERE subject = (SELECT id::text FROM model) LIMIT 1) f,
  jsonb_populate_record(f::authorizations, jsonb_build_object('id', pg_temp.v7(), 'subject', account, 'session_id', session)) r;
INSERT INTO audit_log SELECT r.* FROM people, (SELECT * FROM audit_log WHERE account_id = (SELECT id FROM model) LIMIT 1) l,
  jsonb_populate_record(l::audit_log, jsonb_build_object('id', pg_temp.v7(), 'account_id', account)) r;
INSERT INTO applications SELECT r.* FROM people, applications a,
  jsonb_populate_record(a, jsonb_build_object('id', pg_temp.v7(), 'client_id', 'client' || i, 'metadata', replace(a.metadata, '"bench"', '"client' || i || '"'))) r
  WHERE a.client_id = 'bench';
