IF OBJECT_ID(N'[__EFMigrationsHistory]') IS NULL
BEGIN
    CREATE TABLE [__EFMigrationsHistory] (
        [migration_id] nvarchar(150) NOT NULL,
        [product_version] nvarchar(32) NOT NULL,
        CONSTRAINT [pk___ef_migrations_history] PRIMARY KEY ([migration_id])
    );
END;
GO

BEGIN TRANSACTION;
CREATE TABLE [access_notices] (
    [key] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [account_id] binary(16) NOT NULL,
    [change] nvarchar(40) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [email_before] nvarchar(320) COLLATE Latin1_General_100_BIN2 NULL,
    [expires_at] datetimeoffset(6) NOT NULL,
    [used_at] datetimeoffset(6) NULL,
    CONSTRAINT [pk_access_notices] PRIMARY KEY ([key])
);

CREATE TABLE [account_metadata] (
    [account_id] binary(16) NOT NULL,
    [document] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
    CONSTRAINT [pk_account_metadata] PRIMARY KEY ([account_id])
);

CREATE TABLE [accounts] (
    [id] binary(16) NOT NULL,
    [email] nvarchar(320) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [normalized_email] nvarchar(320) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [pending_email] nvarchar(320) COLLATE Latin1_General_100_BIN2 NULL,
    [user_name] nvarchar(256) COLLATE Latin1_General_100_BIN2 NULL,
    [normalized_user_name] nvarchar(256) COLLATE Latin1_General_100_BIN2 NULL,
    [phone_number] nvarchar(32) COLLATE Latin1_General_100_BIN2 NULL,
    [pending_phone_number] nvarchar(32) COLLATE Latin1_General_100_BIN2 NULL,
    [claim] int NOT NULL,
    [first_name] nvarchar(256) COLLATE Latin1_General_100_BIN2 NULL,
    [last_name] nvarchar(256) COLLATE Latin1_General_100_BIN2 NULL,
    [email_verified] bit NOT NULL,
    [phone_number_verified] bit NOT NULL,
    [is_active] bit NOT NULL,
    [roles] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [profile] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [created_at] datetimeoffset(6) NOT NULL,
    [updated_at] datetimeoffset(6) NOT NULL,
    [last_login_at] datetimeoffset(6) NULL,
    [security_stamp] nvarchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [version] bigint NOT NULL,
    [access_failed_count] int NOT NULL,
    [lockout_end] datetimeoffset(6) NULL,
    [delete_after] datetimeoffset(6) NULL,
    [search_text] nvarchar(1200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    CONSTRAINT [pk_accounts] PRIMARY KEY ([id])
);

CREATE TABLE [applications] (
    [id] binary(16) NOT NULL,
    [metadata] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    [updated_at] datetimeoffset(6) NOT NULL,
    [application_type] nvarchar(50) COLLATE Latin1_General_100_BIN2 NULL,
    [client_id] nvarchar(200) COLLATE Latin1_General_100_BIN2 NULL,
    [client_secret] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    [client_type] nvarchar(50) COLLATE Latin1_General_100_BIN2 NULL,
    [concurrency_token] nvarchar(50) COLLATE Latin1_General_100_BIN2 NULL,
    [consent_type] nvarchar(50) COLLATE Latin1_General_100_BIN2 NULL,
    [display_name] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    [display_names] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    [json_web_key_set] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    [permissions] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    [post_logout_redirect_uris] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    [properties] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    [redirect_uris] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    [requirements] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    [settings] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    CONSTRAINT [pk_applications] PRIMARY KEY ([id])
);

CREATE TABLE [audit_log] (
    [id] binary(16) NOT NULL,
    [time] datetimeoffset(6) NOT NULL,
    [action] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [outcome] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [account_id] binary(16) NULL,
    [actor_id] nvarchar(200) COLLATE Latin1_General_100_BIN2 NULL,
    [client_id] nvarchar(200) COLLATE Latin1_General_100_BIN2 NULL,
    [session_id] nvarchar(64) COLLATE Latin1_General_100_BIN2 NULL,
    [ip] nvarchar(64) COLLATE Latin1_General_100_BIN2 NULL,
    [user_agent] nvarchar(400) COLLATE Latin1_General_100_BIN2 NULL,
    CONSTRAINT [pk_audit_log] PRIMARY KEY ([id])
);

CREATE TABLE [credentials] (
    [account_id] binary(16) NOT NULL,
    [password_hash] nvarchar(512) COLLATE Latin1_General_100_BIN2 NULL,
    [password_changed_at] datetimeoffset(6) NULL,
    CONSTRAINT [pk_credentials] PRIMARY KEY ([account_id])
);

CREATE TABLE [data_protection_keys] (
    [id] int NOT NULL IDENTITY,
    [friendly_name] nvarchar(200) COLLATE Latin1_General_100_BIN2 NULL,
    [xml] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    CONSTRAINT [pk_data_protection_keys] PRIMARY KEY ([id])
);

CREATE TABLE [deny_entries] (
    [id] nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [granted_until] datetimeoffset(6) NOT NULL,
    [expires_at] datetimeoffset(6) NOT NULL,
    CONSTRAINT [pk_deny_entries] PRIMARY KEY ([id])
);

CREATE TABLE [devices] (
    [id] binary(16) NOT NULL,
    [account_id] binary(16) NOT NULL,
    [session_id] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [platform] nvarchar(20) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [environment] nvarchar(20) COLLATE Latin1_General_100_BIN2 NULL,
    [app_id] nvarchar(200) COLLATE Latin1_General_100_BIN2 NULL,
    [device_id] nvarchar(200) COLLATE Latin1_General_100_BIN2 NULL,
    [token_hash] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [sealed_token] varbinary(max) NOT NULL,
    [public_key] varbinary(200) NULL,
    [user_agent] nvarchar(400) COLLATE Latin1_General_100_BIN2 NULL,
    [created_at] datetimeoffset(6) NOT NULL,
    [registered_at] datetimeoffset(6) NOT NULL,
    [last_seen_at] datetimeoffset(6) NOT NULL,
    CONSTRAINT [pk_devices] PRIMARY KEY ([id])
);

CREATE TABLE [export_chunks] (
    [job_id] binary(16) NOT NULL,
    [ordinal] int NOT NULL,
    [content] varbinary(max) NOT NULL,
    CONSTRAINT [pk_export_chunks] PRIMARY KEY ([job_id], [ordinal])
);

CREATE TABLE [export_jobs] (
    [id] binary(16) NOT NULL,
    [state] nvarchar(20) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [format] nvarchar(20) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [language] nvarchar(20) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [role] nvarchar(64) COLLATE Latin1_General_100_BIN2 NULL,
    [is_active] bit NULL,
    [created_after] datetimeoffset(6) NULL,
    [created_at] datetimeoffset(6) NOT NULL,
    [finished_at] datetimeoffset(6) NULL,
    [total] bigint NOT NULL,
    [processed] bigint NOT NULL,
    [length] bigint NOT NULL,
    [attempts] int NOT NULL,
    [claimed_by] binary(16) NULL,
    [claimed_until] datetimeoffset(6) NULL,
    [expires_at] datetimeoffset(6) NOT NULL,
    CONSTRAINT [pk_export_jobs] PRIMARY KEY ([id])
);

CREATE TABLE [external_entries] (
    [kind] nvarchar(40) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [key] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [payload] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [expires_at] datetimeoffset(6) NOT NULL,
    [used_at] datetimeoffset(6) NULL,
    CONSTRAINT [pk_external_entries] PRIMARY KEY ([kind], [key])
);

CREATE TABLE [external_identities] (
    [key] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [provider] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [realm] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [subject] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [account_id] binary(16) NOT NULL,
    [created_at] datetimeoffset(6) NOT NULL,
    [last_used_at] datetimeoffset(6) NOT NULL,
    CONSTRAINT [pk_external_identities] PRIMARY KEY ([key])
);

CREATE TABLE [external_sessions] (
    [session_id] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [provider] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [subject_key] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [upstream_key] nvarchar(64) COLLATE Latin1_General_100_BIN2 NULL,
    [sign_out_state] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    [ends_at] datetimeoffset(6) NULL,
    [expires_at] datetimeoffset(6) NOT NULL,
    CONSTRAINT [pk_external_sessions] PRIMARY KEY ([session_id])
);

CREATE TABLE [factor_proofs] (
    [session_id] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [strength] int NOT NULL,
    [at] datetimeoffset(6) NOT NULL,
    CONSTRAINT [pk_factor_proofs] PRIMARY KEY ([session_id], [strength])
);

CREATE TABLE [import_chunks] (
    [job_id] binary(16) NOT NULL,
    [ordinal] int NOT NULL,
    [first_line] bigint NOT NULL,
    [content] varbinary(max) NOT NULL,
    CONSTRAINT [pk_import_chunks] PRIMARY KEY ([job_id], [ordinal])
);

CREATE TABLE [import_jobs] (
    [id] binary(16) NOT NULL,
    [state] nvarchar(20) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [created_at] datetimeoffset(6) NOT NULL,
    [finished_at] datetimeoffset(6) NULL,
    [lines] bigint NOT NULL,
    [processed] bigint NOT NULL,
    [created] bigint NOT NULL,
    [existing] bigint NOT NULL,
    [refused] bigint NOT NULL,
    [claimed_by] binary(16) NULL,
    [claimed_until] datetimeoffset(6) NULL,
    [expires_at] datetimeoffset(6) NOT NULL,
    CONSTRAINT [pk_import_jobs] PRIMARY KEY ([id])
);

CREATE TABLE [import_refusals] (
    [job_id] binary(16) NOT NULL,
    [line] bigint NOT NULL,
    [reasons] nvarchar(2000) COLLATE Latin1_General_100_BIN2 NOT NULL,
    CONSTRAINT [pk_import_refusals] PRIMARY KEY ([job_id], [line])
);

CREATE TABLE [known_devices] (
    [account_id] binary(16) NOT NULL,
    [key] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [failures] int NOT NULL,
    [expires_at] datetimeoffset(6) NOT NULL,
    CONSTRAINT [pk_known_devices] PRIMARY KEY ([account_id], [key])
);

CREATE TABLE [logout_notices] (
    [id] binary(16) NOT NULL,
    [client_id] nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [session_id] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [account_id] binary(16) NOT NULL,
    [due_at] datetimeoffset(6) NOT NULL,
    [expires_at] datetimeoffset(6) NOT NULL,
    [attempts] int NOT NULL,
    CONSTRAINT [pk_logout_notices] PRIMARY KEY ([id])
);

CREATE TABLE [one_time_codes] (
    [id] binary(16) NOT NULL,
    [account_id] binary(16) NULL,
    [channel] nvarchar(20) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [purpose] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [code_hash] varbinary(64) NOT NULL,
    [created_at] datetimeoffset(6) NOT NULL,
    [expires_at] datetimeoffset(6) NOT NULL,
    [guesses] int NOT NULL,
    [used_at] datetimeoffset(6) NULL,
    CONSTRAINT [pk_one_time_codes] PRIMARY KEY ([id])
);

CREATE TABLE [outbox] (
    [sequence] bigint NOT NULL IDENTITY,
    [exchange] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [routing_key] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [message_id] binary(16) NOT NULL,
    [account_id] binary(16) NOT NULL,
    [body] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [created_at] datetimeoffset(6) NOT NULL,
    [claimed_by] nvarchar(200) COLLATE Latin1_General_100_BIN2 NULL,
    [claimed_until] datetimeoffset(6) NULL,
    CONSTRAINT [pk_outbox] PRIMARY KEY ([sequence])
);

CREATE TABLE [processed_messages] (
    [key] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [claim] binary(16) NOT NULL,
    [claimed_until] datetimeoffset(6) NOT NULL,
    [answer] nvarchar(2000) COLLATE Latin1_General_100_BIN2 NULL,
    [expires_at] datetimeoffset(6) NOT NULL,
    CONSTRAINT [pk_processed_messages] PRIMARY KEY ([key])
);

CREATE TABLE [push_messages] (
    [id] binary(16) NOT NULL,
    [device_id] binary(16) NOT NULL,
    [account_id] binary(16) NOT NULL,
    [kind] nvarchar(20) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [sealed_body] varbinary(max) NOT NULL,
    [created_at] datetimeoffset(6) NOT NULL,
    [expires_at] datetimeoffset(6) NOT NULL,
    [next_attempt_at] datetimeoffset(6) NOT NULL,
    [attempts] int NOT NULL,
    [claimed_by] nvarchar(200) COLLATE Latin1_General_100_BIN2 NULL,
    [claimed_until] datetimeoffset(6) NULL,
    CONSTRAINT [pk_push_messages] PRIMARY KEY ([id])
);

CREATE TABLE [push_sign_ins] (
    [id] binary(16) NOT NULL,
    [account_id] binary(16) NOT NULL,
    [binding] nvarchar(80) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [is_alone] bit NOT NULL,
    [stamp] nvarchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [number] nvarchar(2) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [choices] nvarchar(20) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [nonce] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [status] nvarchar(20) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [client_id] nvarchar(200) COLLATE Latin1_General_100_BIN2 NULL,
    [client_name] nvarchar(200) COLLATE Latin1_General_100_BIN2 NULL,
    [ip] nvarchar(64) COLLATE Latin1_General_100_BIN2 NULL,
    [user_agent] nvarchar(400) COLLATE Latin1_General_100_BIN2 NULL,
    [created_at] datetimeoffset(6) NOT NULL,
    [expires_at] datetimeoffset(6) NOT NULL,
    [decided_at] datetimeoffset(6) NULL,
    [decided_by] binary(16) NULL,
    CONSTRAINT [pk_push_sign_ins] PRIMARY KEY ([id])
);

CREATE TABLE [rate_limits] (
    [key] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [window_start] datetimeoffset(6) NOT NULL,
    [count] int NOT NULL,
    [expires_at] datetimeoffset(6) NOT NULL,
    CONSTRAINT [pk_rate_limits] PRIMARY KEY ([key])
);

CREATE TABLE [recovery_codes] (
    [account_id] binary(16) NOT NULL,
    [code_hash] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [created_at] datetimeoffset(6) NOT NULL,
    [used_at] datetimeoffset(6) NULL,
    CONSTRAINT [pk_recovery_codes] PRIMARY KEY ([account_id], [code_hash])
);

CREATE TABLE [remembered_browsers] (
    [id] binary(16) NOT NULL,
    [account_id] binary(16) NOT NULL,
    [token_hash] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [security_stamp] nvarchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [created_at] datetimeoffset(6) NOT NULL,
    [last_used_at] datetimeoffset(6) NOT NULL,
    [expires_at] datetimeoffset(6) NOT NULL,
    [ip] nvarchar(64) COLLATE Latin1_General_100_BIN2 NULL,
    [user_agent] nvarchar(400) COLLATE Latin1_General_100_BIN2 NULL,
    CONSTRAINT [pk_remembered_browsers] PRIMARY KEY ([id])
);

CREATE TABLE [replay_entries] (
    [kind] nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [key] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [expires_at] datetimeoffset(6) NOT NULL,
    CONSTRAINT [pk_replay_entries] PRIMARY KEY ([kind], [key])
);

CREATE TABLE [resources] (
    [identifier] nvarchar(400) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [document] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [updated_at] datetimeoffset(6) NOT NULL,
    CONSTRAINT [pk_resources] PRIMARY KEY ([identifier])
);

CREATE TABLE [roles] (
    [name] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [description] nvarchar(500) COLLATE Latin1_General_100_BIN2 NULL,
    [created_at] datetimeoffset(6) NOT NULL,
    CONSTRAINT [pk_roles] PRIMARY KEY ([name])
);

CREATE TABLE [scopes] (
    [id] binary(16) NOT NULL,
    [concurrency_token] nvarchar(50) COLLATE Latin1_General_100_BIN2 NULL,
    [description] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    [descriptions] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    [display_name] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    [display_names] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    [name] nvarchar(200) COLLATE Latin1_General_100_BIN2 NULL,
    [properties] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    [resources] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    CONSTRAINT [pk_scopes] PRIMARY KEY ([id])
);

CREATE TABLE [second_factors] (
    [id] binary(16) NOT NULL,
    [account_id] binary(16) NOT NULL,
    [kind] nvarchar(20) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [slot] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [name] nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [data] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [counter] bigint NOT NULL,
    [created_at] datetimeoffset(6) NOT NULL,
    [last_used_at] datetimeoffset(6) NULL,
    CONSTRAINT [pk_second_factors] PRIMARY KEY ([id])
);

CREATE TABLE [sessions] (
    [id] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [account_id] binary(16) NOT NULL,
    [created_at] datetimeoffset(6) NOT NULL,
    [authenticated_at] datetimeoffset(6) NOT NULL,
    [amr] nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [acr] nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [sign_in_until] datetimeoffset(6) NOT NULL,
    [last_seen_at] datetimeoffset(6) NOT NULL,
    [expires_at] datetimeoffset(6) NOT NULL,
    [ended_at] datetimeoffset(6) NULL,
    [client_ids] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [told_client_ids] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [ip] nvarchar(64) COLLATE Latin1_General_100_BIN2 NULL,
    [user_agent] nvarchar(400) COLLATE Latin1_General_100_BIN2 NULL,
    [device_id] nvarchar(200) COLLATE Latin1_General_100_BIN2 NULL,
    CONSTRAINT [pk_sessions] PRIMARY KEY ([id])
);

CREATE TABLE [signing_keys] (
    [kid] nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [algorithm] nvarchar(20) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [ordinal] int NOT NULL,
    [protected_key] varbinary(max) NOT NULL,
    [created_at] datetimeoffset(6) NOT NULL,
    [activates_at] datetimeoffset(6) NOT NULL,
    [retires_at] datetimeoffset(6) NULL,
    CONSTRAINT [pk_signing_keys] PRIMARY KEY ([kid])
);

CREATE TABLE [spent_tickets] (
    [id] binary(16) NOT NULL,
    [expires_at] datetimeoffset(6) NOT NULL,
    CONSTRAINT [pk_spent_tickets] PRIMARY KEY ([id])
);

CREATE TABLE [store_values] (
    [name] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [value] nvarchar(1000) COLLATE Latin1_General_100_BIN2 NOT NULL,
    CONSTRAINT [pk_store_values] PRIMARY KEY ([name])
);

CREATE TABLE [authorizations] (
    [id] binary(16) NOT NULL,
    [application_id] binary(16) NULL,
    [client_id] nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [session_id] nvarchar(64) COLLATE Latin1_General_100_BIN2 NULL,
    [resources] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    [generation] int NOT NULL,
    [rotated_at] datetimeoffset(6) NOT NULL,
    [granted_at] datetimeoffset(6) NOT NULL,
    [expires_at] datetimeoffset(6) NULL,
    [revoked_at] datetimeoffset(6) NULL,
    [details] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    [concurrency_token] nvarchar(50) COLLATE Latin1_General_100_BIN2 NULL,
    [creation_date] datetime2 NULL,
    [properties] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    [scopes] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    [status] nvarchar(50) COLLATE Latin1_General_100_BIN2 NULL,
    [subject] nvarchar(200) COLLATE Latin1_General_100_BIN2 NULL,
    [type] nvarchar(50) COLLATE Latin1_General_100_BIN2 NULL,
    CONSTRAINT [pk_authorizations] PRIMARY KEY ([id]),
    CONSTRAINT [fk_authorizations_applications_application_id] FOREIGN KEY ([application_id]) REFERENCES [applications] ([id])
);

CREATE TABLE [tokens] (
    [id] binary(16) NOT NULL,
    [application_id] binary(16) NULL,
    [authorization_id] binary(16) NULL,
    [concurrency_token] nvarchar(50) COLLATE Latin1_General_100_BIN2 NULL,
    [creation_date] datetime2 NULL,
    [expiration_date] datetime2 NULL,
    [payload] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    [properties] nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL,
    [redemption_date] datetime2 NULL,
    [reference_id] nvarchar(100) COLLATE Latin1_General_100_BIN2 NULL,
    [status] nvarchar(50) COLLATE Latin1_General_100_BIN2 NULL,
    [subject] nvarchar(200) COLLATE Latin1_General_100_BIN2 NULL,
    [type] nvarchar(150) COLLATE Latin1_General_100_BIN2 NULL,
    CONSTRAINT [pk_tokens] PRIMARY KEY ([id]),
    CONSTRAINT [fk_tokens_applications_application_id] FOREIGN KEY ([application_id]) REFERENCES [applications] ([id]),
    CONSTRAINT [fk_tokens_authorizations_authorization_id] FOREIGN KEY ([authorization_id]) REFERENCES [authorizations] ([id])
);

CREATE INDEX [ix_access_notices_account_id] ON [access_notices] ([account_id]);

CREATE INDEX [ix_access_notices_expires_at] ON [access_notices] ([expires_at]);

CREATE INDEX [ix_accounts_delete_after] ON [accounts] ([delete_after]);

CREATE UNIQUE INDEX [ix_accounts_normalized_email] ON [accounts] ([normalized_email]);

CREATE UNIQUE INDEX [ix_accounts_normalized_user_name] ON [accounts] ([normalized_user_name]) WHERE [normalized_user_name] IS NOT NULL;

CREATE INDEX [ix_accounts_pending_email] ON [accounts] ([pending_email]);

CREATE INDEX [ix_accounts_pending_phone_number] ON [accounts] ([pending_phone_number]);

CREATE UNIQUE INDEX [ix_accounts_phone_number] ON [accounts] ([phone_number]) WHERE [phone_number] IS NOT NULL;

CREATE UNIQUE INDEX [ix_applications_client_id] ON [applications] ([client_id]) WHERE [client_id] IS NOT NULL;

CREATE INDEX [ix_audit_log_account_id_time] ON [audit_log] ([account_id], [time]);

CREATE INDEX [ix_audit_log_time] ON [audit_log] ([time]);

CREATE INDEX [ix_authorizations_application_id_status_subject_type] ON [authorizations] ([application_id], [status], [subject], [type]);

CREATE INDEX [ix_authorizations_expires_at] ON [authorizations] ([expires_at]);

CREATE INDEX [ix_authorizations_session_id] ON [authorizations] ([session_id]);

CREATE INDEX [ix_authorizations_subject_client_id_type] ON [authorizations] ([subject], [client_id], [type]);

CREATE INDEX [ix_deny_entries_expires_at] ON [deny_entries] ([expires_at]);

CREATE INDEX [ix_devices_account_id] ON [devices] ([account_id]);

CREATE INDEX [ix_devices_last_seen_at] ON [devices] ([last_seen_at]);

CREATE INDEX [ix_devices_session_id] ON [devices] ([session_id]);

CREATE UNIQUE INDEX [ix_devices_token_hash] ON [devices] ([token_hash]);

CREATE INDEX [ix_export_jobs_expires_at] ON [export_jobs] ([expires_at]);

CREATE INDEX [ix_external_entries_expires_at] ON [external_entries] ([expires_at]);

CREATE INDEX [ix_external_identities_account_id] ON [external_identities] ([account_id]);

CREATE INDEX [ix_external_sessions_ends_at] ON [external_sessions] ([ends_at]);

CREATE INDEX [ix_external_sessions_expires_at] ON [external_sessions] ([expires_at]);

CREATE INDEX [ix_external_sessions_provider_subject_key] ON [external_sessions] ([provider], [subject_key]);

CREATE INDEX [ix_external_sessions_provider_upstream_key] ON [external_sessions] ([provider], [upstream_key]);

CREATE INDEX [ix_factor_proofs_at] ON [factor_proofs] ([at]);

CREATE INDEX [ix_import_jobs_expires_at] ON [import_jobs] ([expires_at]);

CREATE INDEX [ix_known_devices_expires_at] ON [known_devices] ([expires_at]);

CREATE INDEX [ix_logout_notices_due_at] ON [logout_notices] ([due_at]);

CREATE INDEX [ix_logout_notices_expires_at] ON [logout_notices] ([expires_at]);

CREATE INDEX [ix_one_time_codes_account_id_purpose] ON [one_time_codes] ([account_id], [purpose]);

CREATE INDEX [ix_one_time_codes_expires_at] ON [one_time_codes] ([expires_at]);

CREATE INDEX [ix_outbox_account_id_sequence] ON [outbox] ([account_id], [sequence]);

CREATE INDEX [ix_processed_messages_expires_at] ON [processed_messages] ([expires_at]);

CREATE INDEX [ix_push_messages_device_id] ON [push_messages] ([device_id]);

CREATE INDEX [ix_push_messages_expires_at] ON [push_messages] ([expires_at]);

CREATE INDEX [ix_push_messages_next_attempt_at] ON [push_messages] ([next_attempt_at]);

CREATE INDEX [ix_push_sign_ins_account_id_created_at] ON [push_sign_ins] ([account_id], [created_at]);

CREATE INDEX [ix_push_sign_ins_binding] ON [push_sign_ins] ([binding]);

CREATE INDEX [ix_push_sign_ins_expires_at] ON [push_sign_ins] ([expires_at]);

CREATE INDEX [ix_rate_limits_expires_at] ON [rate_limits] ([expires_at]);

CREATE INDEX [ix_remembered_browsers_account_id] ON [remembered_browsers] ([account_id]);

CREATE INDEX [ix_remembered_browsers_expires_at] ON [remembered_browsers] ([expires_at]);

CREATE INDEX [ix_replay_entries_expires_at] ON [replay_entries] ([expires_at]);

CREATE UNIQUE INDEX [ix_scopes_name] ON [scopes] ([name]) WHERE [name] IS NOT NULL;

CREATE INDEX [ix_second_factors_account_id] ON [second_factors] ([account_id]);

CREATE UNIQUE INDEX [ix_second_factors_slot] ON [second_factors] ([slot]);

CREATE INDEX [ix_sessions_account_id_created_at] ON [sessions] ([account_id], [created_at]);

CREATE INDEX [ix_sessions_expires_at] ON [sessions] ([expires_at]);

CREATE UNIQUE INDEX [ix_signing_keys_algorithm_ordinal] ON [signing_keys] ([algorithm], [ordinal]);

CREATE INDEX [ix_spent_tickets_expires_at] ON [spent_tickets] ([expires_at]);

CREATE INDEX [ix_tokens_application_id_status_subject_type] ON [tokens] ([application_id], [status], [subject], [type]);

CREATE INDEX [ix_tokens_authorization_id] ON [tokens] ([authorization_id]);

CREATE INDEX [ix_tokens_expiration_date] ON [tokens] ([expiration_date]);

CREATE UNIQUE INDEX [ix_tokens_reference_id] ON [tokens] ([reference_id]) WHERE [reference_id] IS NOT NULL;

INSERT INTO [__EFMigrationsHistory] ([migration_id], [product_version])
VALUES (N'20261129063734_Initial', N'10.0.15');

COMMIT;
GO

BEGIN TRANSACTION;
CREATE TABLE [mail_messages] (
    [id] binary(16) NOT NULL,
    [account_id] binary(16) NOT NULL,
    [kind] nvarchar(40) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [sealed_body] varbinary(max) NOT NULL,
    [created_at] datetimeoffset(6) NOT NULL,
    [expires_at] datetimeoffset(6) NOT NULL,
    [next_attempt_at] datetimeoffset(6) NOT NULL,
    [attempts] int NOT NULL,
    [claimed_by] nvarchar(200) COLLATE Latin1_General_100_BIN2 NULL,
    [claimed_until] datetimeoffset(6) NULL,
    CONSTRAINT [pk_mail_messages] PRIMARY KEY ([id])
);

CREATE INDEX [ix_mail_messages_account_id] ON [mail_messages] ([account_id]);

CREATE INDEX [ix_mail_messages_expires_at] ON [mail_messages] ([expires_at]);

CREATE INDEX [ix_mail_messages_next_attempt_at] ON [mail_messages] ([next_attempt_at]);

INSERT INTO [__EFMigrationsHistory] ([migration_id], [product_version])
VALUES (N'20261130094242_MailMessages', N'10.0.15');

COMMIT;
GO

BEGIN TRANSACTION;
CREATE INDEX [ix_tokens_subject] ON [tokens] ([subject]) WHERE subject IS NOT NULL;

CREATE INDEX [ix_tokens_type_expiration_date] ON [tokens] ([type], [expiration_date]);

CREATE INDEX [ix_push_messages_account_id] ON [push_messages] ([account_id]);

CREATE INDEX [ix_logout_notices_account_id] ON [logout_notices] ([account_id]);

CREATE INDEX [ix_audit_log_actor_id] ON [audit_log] ([actor_id]) WHERE actor_id IS NOT NULL;

INSERT INTO [__EFMigrationsHistory] ([migration_id], [product_version])
VALUES (N'20261201011956_PersonAndTypeIndexes', N'10.0.15');

COMMIT;
GO

BEGIN TRANSACTION;
ALTER TABLE [outbox] ADD [trace_parent] nvarchar(64) COLLATE Latin1_General_100_BIN2 NULL;

INSERT INTO [__EFMigrationsHistory] ([migration_id], [product_version])
VALUES (N'20261201060807_OutboxTraceParent', N'10.0.15');

COMMIT;
GO

