DECLARE @result int; EXEC @result = sp_getapplock @Resource = @p0, @LockMode = 'Exclusive', @LockOwner = 'Transaction', @LockTimeout = 15000; IF @result = -3 RAISERROR('The lock was not granted: a deadlock.', 16, 3); IF @result < 0 RAISERROR('The lock was not granted.', 16, 1);

DELETE FROM "access_notices" WHERE "account_id" = @p0

DELETE FROM "account_metadata" WHERE "account_id" = @p0

DELETE FROM "authorizations" WHERE "subject" = @p0

DELETE FROM "credentials" WHERE "account_id" = @p0

DELETE FROM "devices" WHERE "account_id" = @p0

DELETE FROM "external_identities" WHERE "account_id" = @p0

DELETE FROM "known_devices" WHERE "account_id" = @p0

DELETE FROM "mail_messages" WHERE "account_id" = @p0

DELETE FROM "one_time_codes" WHERE "account_id" = @p0

DELETE FROM "push_messages" WHERE "account_id" = @p0

DELETE FROM "push_sign_ins" WHERE "account_id" = @p0

DELETE FROM "recovery_codes" WHERE "account_id" = @p0

DELETE FROM "remembered_browsers" WHERE "account_id" = @p0

DELETE FROM "second_factors" WHERE "account_id" = @p0

DELETE FROM "sessions" WHERE "account_id" = @p0

DELETE FROM "tokens" WHERE "subject" = @p0

DELETE FROM [a]
FROM [access_notices] AS [a]
WHERE [a].[account_id] = @row_Id

DELETE FROM [a]
FROM [access_notices] AS [a]
WHERE [a].[expires_at] <= @until

DELETE FROM [a]
FROM [account_metadata] AS [a]
WHERE [a].[account_id] = @accountId

DELETE FROM [a]
FROM [accounts] AS [a]
WHERE [a].[id] = @id AND [a].[delete_after] <= @now AND [a].[is_active] = CAST(0 AS bit)

DELETE FROM [a]
FROM [accounts] AS [a]
WHERE [a].[id] = @id AND [a].[version] = @expectedVersion

DELETE FROM [a]
FROM [audit_log] AS [a]
WHERE [a].[time] <= @until

DELETE FROM [a]
FROM [authorizations] AS [a]
WHERE [a].[expires_at] IS NOT NULL AND NOT EXISTS (
    SELECT 1
    FROM [tokens] AS [t]
    WHERE [a].[id] = [t].[authorization_id]) AND [a].[expires_at] <= @until

DELETE FROM [a]
FROM [authorizations] AS [a]
WHERE [a].[subject] = @subject AND [a].[type] = N'permanent' AND [a].[client_id] = @clientId

DELETE FROM [a]
FROM [authorizations] AS [a]
WHERE [a].[subject] = @subject AND [a].[type] = N'permanent' AND [a].[client_id] = @consent_ClientId

DELETE FROM [c]
FROM [credentials] AS [c]
WHERE [c].[account_id] = @accountId

DELETE FROM [d]
FROM [deny_entries] AS [d]
WHERE [d].[expires_at] <= @until

DELETE FROM [d]
FROM [devices] AS [d]
WHERE [d].[account_id] = @accountId AND [d].[id] = @row_Id

DELETE FROM [d]
FROM [devices] AS [d]
WHERE [d].[session_id] = @sessionId AND [d].[account_id] = @destroyed_AccountId AND [d].[id] = @row_Id

DELETE FROM [e]
FROM [export_chunks] AS [e]
WHERE [e].[job_id] = @over1

DELETE FROM [e]
FROM [export_jobs] AS [e]
WHERE [e].[id] = @over1

DELETE FROM [e]
FROM [external_entries] AS [e]
WHERE [e].[expires_at] <= @until

DELETE FROM [e]
FROM [external_identities] AS [e]
WHERE [e].[account_id] = @accountId AND [e].[created_at] >= @since

DELETE FROM [e]
FROM [external_identities] AS [e]
WHERE [e].[account_id] = @accountId AND [e].[key] = @key

DELETE FROM [e]
FROM [external_identities] AS [e]
WHERE [e].[key] = @key AND [e].[account_id] = @accountId

DELETE FROM [e]
FROM [external_sessions] AS [e]
WHERE NOT EXISTS (
    SELECT 1
    FROM [sessions] AS [s]
    WHERE [s].[id] = [e].[session_id] AND [s].[ended_at] IS NULL) AND [e].[expires_at] <= @until

DELETE FROM [e]
FROM [external_sessions] AS [e]
WHERE [e].[session_id] IN (
    SELECT [s].[id]
    FROM [sessions] AS [s]
    WHERE [s].[account_id] = @id
)

DELETE FROM [f]
FROM [factor_proofs] AS [f]
WHERE [f].[at] <= @until

DELETE FROM [i]
FROM [import_chunks] AS [i]
WHERE [i].[job_id] = @chunk_JobId AND [i].[ordinal] = @chunk_Ordinal

DELETE FROM [i]
FROM [import_chunks] AS [i]
WHERE [i].[job_id] = @id

DELETE FROM [i]
FROM [import_chunks] AS [i]
WHERE [i].[job_id] = @over1

DELETE FROM [i]
FROM [import_jobs] AS [i]
WHERE [i].[id] = @id

DELETE FROM [i]
FROM [import_jobs] AS [i]
WHERE [i].[id] = @over1

DELETE FROM [i]
FROM [import_refusals] AS [i]
WHERE [i].[job_id] = @over1

DELETE FROM [k]
FROM [known_devices] AS [k]
WHERE [k].[account_id] = @accountId

DELETE FROM [k]
FROM [known_devices] AS [k]
WHERE [k].[account_id] = @accountId AND [k].[key] = @key AND [k].[failures] >= @limit

DELETE FROM [k]
FROM [known_devices] AS [k]
WHERE [k].[account_id] = @row_Id

DELETE FROM [k]
FROM [known_devices] AS [k]
WHERE [k].[expires_at] <= @until

DELETE FROM [l]
FROM [logout_notices] AS [l]
WHERE [l].[expires_at] <= @until

DELETE FROM [m]
FROM [mail_messages] AS [m]
WHERE [m].[expires_at] <= @until

DELETE FROM [o]
FROM [one_time_codes] AS [o]
WHERE [o].[account_id] = @accountId AND [o].[purpose] = @code_Purpose

DELETE FROM [o]
FROM [one_time_codes] AS [o]
WHERE [o].[expires_at] <= @until

DELETE FROM [o]
FROM [outbox] AS [o]
WHERE [o].[claimed_by] = @worker AND [o].[sequence] = @all1

DELETE FROM [p]
FROM [processed_messages] AS [p]
WHERE [p].[expires_at] <= @until

DELETE FROM [p]
FROM [processed_messages] AS [p]
WHERE [p].[key] = @key AND [p].[claim] = @claim

DELETE FROM [p]
FROM [push_messages] AS [p]
WHERE [p].[device_id] = @row_Id

DELETE FROM [p]
FROM [push_messages] AS [p]
WHERE [p].[expires_at] <= @until

DELETE FROM [p]
FROM [push_sign_ins] AS [p]
WHERE [p].[expires_at] <= @until

DELETE FROM [r]
FROM [rate_limits] AS [r]
WHERE [r].[expires_at] <= @until

DELETE FROM [r]
FROM [recovery_codes] AS [r]
WHERE [r].[account_id] = @accountId

DELETE FROM [r]
FROM [recovery_codes] AS [r]
WHERE [r].[account_id] = @accountId AND [r].[created_at] >= @since

DELETE FROM [r]
FROM [remembered_browsers] AS [r]
WHERE [r].[account_id] = @accountId AND [r].[id] = @id

DELETE FROM [r]
FROM [remembered_browsers] AS [r]
WHERE [r].[expires_at] <= @until

DELETE FROM [r]
FROM [replay_entries] AS [r]
WHERE [r].[expires_at] <= @until

DELETE FROM [s]
FROM [second_factors] AS [s]
WHERE [s].[id] = @id AND [s].[account_id] = @accountId

DELETE FROM [s]
FROM [sessions] AS [s]
WHERE [s].[ended_at] IS NOT NULL AND [s].[expires_at] <= @until

DELETE FROM [s]
FROM [signing_keys] AS [s]
WHERE [s].[kid] = @kid

DELETE FROM [s]
FROM [spent_tickets] AS [s]
WHERE [s].[expires_at] <= @until

DELETE FROM [t]
FROM [tokens] AS [t]
WHERE [t].[expiration_date] IS NOT NULL AND [t].[expiration_date] <= @until

DELETE FROM [t]
FROM [tokens] AS [t]
WHERE [t].[type] = @type AND [t].[expiration_date] IS NOT NULL AND [t].[expiration_date] <= @until

MERGE INTO account_metadata WITH (HOLDLOCK) AS old USING (VALUES (@p0, @p1)) AS excluded ("account_id", "document") ON old."account_id" = excluded."account_id" WHEN MATCHED THEN UPDATE SET "document" = excluded.document WHEN NOT MATCHED THEN INSERT ("account_id", "document") VALUES (excluded."account_id", excluded."document");

MERGE INTO applications WITH (HOLDLOCK) AS old USING (VALUES (@p0, @p1, @p2, @p3, @p4, @p5, @p6, @p7, @p8, @p9, @p10, @p11, @p12, @p13, @p14)) AS excluded ("id", "client_id", "application_type", "client_secret", "client_type", "concurrency_token", "consent_type", "display_name", "json_web_key_set", "permissions", "post_logout_redirect_uris", "redirect_uris", "requirements", "metadata", "updated_at") ON old."client_id" = excluded."client_id" WHEN MATCHED THEN UPDATE SET "application_type" = excluded.application_type, "client_secret" = excluded.client_secret, "client_type" = excluded.client_type, "concurrency_token" = excluded.concurrency_token, "consent_type" = excluded.consent_type, "display_name" = excluded.display_name, "json_web_key_set" = excluded.json_web_key_set, "permissions" = excluded.permissions, "post_logout_redirect_uris" = excluded.post_logout_redirect_uris, "redirect_uris" = excluded.redirect_uris, "requirements" = excluded.requirements, "metadata" = excluded.metadata, "updated_at" = excluded.updated_at WHEN NOT MATCHED THEN INSERT ("id", "client_id", "application_type", "client_secret", "client_type", "concurrency_token", "consent_type", "display_name", "json_web_key_set", "permissions", "post_logout_redirect_uris", "redirect_uris", "requirements", "metadata", "updated_at") VALUES (excluded."id", excluded."client_id", excluded."application_type", excluded."client_secret", excluded."client_type", excluded."concurrency_token", excluded."consent_type", excluded."display_name", excluded."json_web_key_set", excluded."permissions", excluded."post_logout_redirect_uris", excluded."redirect_uris", excluded."requirements", excluded."metadata", excluded."updated_at");

MERGE INTO deny_entries WITH (HOLDLOCK) AS old USING (VALUES (@p0, @p1, @p2)) AS excluded ("id", "granted_until", "expires_at") ON old."id" = excluded."id" WHEN MATCHED AND (old.expires_at < excluded.expires_at OR old.granted_until < excluded.granted_until) THEN UPDATE SET "granted_until" = CASE WHEN old.granted_until < excluded.granted_until THEN excluded.granted_until ELSE old.granted_until END, "expires_at" = CASE WHEN old.expires_at < excluded.expires_at THEN excluded.expires_at ELSE old.expires_at END WHEN NOT MATCHED THEN INSERT ("id", "granted_until", "expires_at") VALUES (excluded."id", excluded."granted_until", excluded."expires_at");

MERGE INTO external_entries WITH (HOLDLOCK) AS old USING (VALUES (@p0, @p1, @p2, @p3)) AS excluded ("kind", "key", "payload", "expires_at") ON old."kind" = excluded."kind" AND old."key" = excluded."key" WHEN MATCHED AND (old.expires_at <= @p4) THEN UPDATE SET "expires_at" = excluded.expires_at WHEN NOT MATCHED THEN INSERT ("kind", "key", "payload", "expires_at") VALUES (excluded."kind", excluded."key", excluded."payload", excluded."expires_at");

MERGE INTO factor_proofs WITH (HOLDLOCK) AS old USING (VALUES (@p0, @p1, @p2)) AS excluded ("session_id", "strength", "at") ON old."session_id" = excluded."session_id" AND old."strength" = excluded."strength" WHEN MATCHED THEN UPDATE SET "at" = CASE WHEN old."at" < excluded."at" THEN excluded."at" ELSE old."at" END WHEN NOT MATCHED THEN INSERT ("session_id", "strength", "at") VALUES (excluded."session_id", excluded."strength", excluded."at");

MERGE INTO known_devices WITH (HOLDLOCK) AS old USING (VALUES (@p0, @p1, @p2, @p3)) AS excluded ("account_id", "key", "failures", "expires_at") ON old."account_id" = excluded."account_id" AND old."key" = excluded."key" WHEN MATCHED THEN UPDATE SET "failures" = 0, "expires_at" = excluded.expires_at WHEN NOT MATCHED THEN INSERT ("account_id", "key", "failures", "expires_at") VALUES (excluded."account_id", excluded."key", excluded."failures", excluded."expires_at");

MERGE INTO processed_messages WITH (HOLDLOCK) AS old USING (VALUES (@p0, @p1, @p2, @p3)) AS excluded ("key", "claim", "claimed_until", "expires_at") ON old."key" = excluded."key" WHEN MATCHED AND (old.expires_at <= @p4) THEN UPDATE SET "claim" = excluded.claim, "claimed_until" = excluded.claimed_until, "answer" = NULL, "expires_at" = excluded.expires_at WHEN NOT MATCHED THEN INSERT ("key", "claim", "claimed_until", "expires_at") VALUES (excluded."key", excluded."claim", excluded."claimed_until", excluded."expires_at");

MERGE INTO rate_limits WITH (HOLDLOCK) AS old USING (VALUES (@p0, @p1, @p2, @p3)) AS excluded ("key", "window_start", "count", "expires_at") ON old."key" = excluded."key" WHEN MATCHED AND (old.window_start < excluded.window_start OR old."count" < @p4) THEN UPDATE SET "count" = CASE WHEN old.window_start < excluded.window_start THEN 1 ELSE old."count" + 1 END, "window_start" = CASE WHEN old.window_start < excluded.window_start THEN excluded.window_start ELSE old.window_start END, "expires_at" = CASE WHEN old.window_start < excluded.window_start THEN excluded.expires_at ELSE old.expires_at END WHEN NOT MATCHED THEN INSERT ("key", "window_start", "count", "expires_at") VALUES (excluded."key", excluded."window_start", excluded."count", excluded."expires_at");

MERGE INTO replay_entries WITH (HOLDLOCK) AS old USING (VALUES (@p0, @p1, @p2)) AS excluded ("kind", "key", "expires_at") ON old."kind" = excluded."kind" AND old."key" = excluded."key" WHEN MATCHED AND (old.expires_at <= @p3) THEN UPDATE SET "expires_at" = excluded.expires_at WHEN NOT MATCHED THEN INSERT ("kind", "key", "expires_at") VALUES (excluded."kind", excluded."key", excluded."expires_at");

MERGE INTO resources WITH (HOLDLOCK) AS old USING (VALUES (@p0, @p1, @p2)) AS excluded ("identifier", "document", "updated_at") ON old."identifier" = excluded."identifier" WHEN MATCHED THEN UPDATE SET "document" = excluded.document, "updated_at" = excluded.updated_at WHEN NOT MATCHED THEN INSERT ("identifier", "document", "updated_at") VALUES (excluded."identifier", excluded."document", excluded."updated_at");

MERGE INTO spent_tickets WITH (HOLDLOCK) AS old USING (VALUES (@p0, @p1)) AS excluded ("id", "expires_at") ON old."id" = excluded."id" WHEN NOT MATCHED THEN INSERT ("id", "expires_at") VALUES (excluded."id", excluded."expires_at");

MERGE INTO store_values WITH (HOLDLOCK) AS old USING (VALUES (@p0, @p1)) AS excluded ("name", "value") ON old."name" = excluded."name" WHEN NOT MATCHED THEN INSERT ("name", "value") VALUES (excluded."name", excluded."value");

SELECT CASE
    WHEN EXISTS (
        SELECT 1
        FROM [access_notices] AS [a]) THEN CAST(1 AS bit)
    ELSE CAST(0 AS bit)
END

SELECT CASE
    WHEN EXISTS (
        SELECT 1
        FROM [accounts] AS [a]
        WHERE [a].[id] = @row_Id) THEN CAST(1 AS bit)
    ELSE CAST(0 AS bit)
END

SELECT CASE
    WHEN EXISTS (
        SELECT 1
        FROM [accounts] AS [a]
        WHERE [a].[is_active] = CAST(1 AS bit) AND [a].[roles] <> N'[]' AND [a].[roles] LIKE N'%"admin"%' AND [a].[id] <> @id) THEN CAST(1 AS bit)
    ELSE CAST(0 AS bit)
END

SELECT CASE
    WHEN EXISTS (
        SELECT 1
        FROM [accounts] AS [a]
        WHERE [a].[is_active] = CAST(1 AS bit) AND [a].[roles] <> N'[]' AND [a].[roles] LIKE N'%"admin"%' AND [a].[id] = @id) THEN CAST(1 AS bit)
    ELSE CAST(0 AS bit)
END

SELECT CASE
    WHEN EXISTS (
        SELECT 1
        FROM [accounts] AS [a]
        WHERE [a].[roles] <> N'[]' AND [a].[roles] LIKE @element_contains ESCAPE N'\') THEN CAST(1 AS bit)
    ELSE CAST(0 AS bit)
END

SELECT CASE
    WHEN EXISTS (
        SELECT 1
        FROM [deny_entries] AS [d]
        WHERE [d].[id] = @id AND [d].[granted_until] >= @grantedAt AND [d].[expires_at] > @now) THEN CAST(1 AS bit)
    ELSE CAST(0 AS bit)
END

SELECT CASE
    WHEN EXISTS (
        SELECT 1
        FROM [factor_proofs] AS [f]
        WHERE [f].[session_id] = @sessionId AND [f].[strength] >= @strength AND [f].[at] >= @since) THEN CAST(1 AS bit)
    ELSE CAST(0 AS bit)
END

SELECT CASE
    WHEN EXISTS (
        SELECT 1
        FROM [known_devices] AS [k]
        WHERE [k].[account_id] = @accountId AND [k].[key] = @key AND [k].[expires_at] > @now) THEN CAST(1 AS bit)
    ELSE CAST(0 AS bit)
END

SELECT CASE
    WHEN EXISTS (
        SELECT 1
        FROM [outbox] AS [o]
        WHERE ([o].[claimed_until] IS NULL OR [o].[claimed_until] <= @now) AND NOT EXISTS (
            SELECT 1
            FROM [outbox] AS [o0]
            WHERE [o0].[account_id] = [o].[account_id] AND [o0].[sequence] < [o].[sequence] AND [o0].[claimed_until] > @now)) THEN CAST(1 AS bit)
    ELSE CAST(0 AS bit)
END

SELECT CASE
    WHEN EXISTS (
        SELECT 1
        FROM [roles] AS [r]
        WHERE [r].[name] = @name) THEN CAST(1 AS bit)
    ELSE CAST(0 AS bit)
END

SELECT CASE
    WHEN EXISTS (
        SELECT 1
        FROM [spent_tickets] AS [s]
        WHERE [s].[id] = @ticketId) THEN CAST(1 AS bit)
    ELSE CAST(0 AS bit)
END

SELECT COUNT(*)
FROM [recovery_codes] AS [r]
WHERE [r].[account_id] = @accountId AND [r].[used_at] IS NULL

SELECT COUNT_BIG(*)
FROM [devices] AS [d]
WHERE [d].[sealed_token] <> 0x

SELECT COUNT_BIG(*)
FROM [outbox] AS [o]

SELECT COUNT_BIG(*)
FROM [second_factors] AS [s]
WHERE [s].[kind] IN (N'totp', N'passkey') AND [s].[data] <> N''

SELECT TOP(1) [a].[access_failed_count] AS [AccessFailedCount], [a].[lockout_end] AS [LockoutEnd]
FROM [accounts] AS [a]
WHERE [a].[id] = @id

SELECT TOP(1) [a].[account_id], [a].[document]
FROM [account_metadata] AS [a]
WHERE [a].[account_id] = @id

SELECT TOP(1) [a].[document]
FROM [account_metadata] AS [a]
WHERE [a].[account_id] = @accountId

SELECT TOP(1) [a].[granted_at]
FROM [authorizations] AS [a]
WHERE [a].[subject] = @subject AND [a].[client_id] = @clientId AND [a].[type] = N'ad-hoc' AND [a].[revoked_at] IS NULL
ORDER BY [a].[granted_at] DESC

SELECT TOP(1) [a].[id], [a].[access_failed_count], [a].[claim], [a].[created_at], [a].[delete_after], [a].[email], [a].[email_verified], [a].[first_name], [a].[is_active], [a].[last_login_at], [a].[last_name], [a].[lockout_end], [a].[normalized_email], [a].[normalized_user_name], [a].[pending_email], [a].[pending_phone_number], [a].[phone_number], [a].[phone_number_verified], [a].[profile], [a].[roles], [a].[search_text], [a].[security_stamp], [a].[updated_at], [a].[user_name], [a].[version]
FROM [accounts] AS [a]
WHERE [a].[id] = @id

SELECT TOP(1) [a].[id], [a].[access_failed_count], [a].[claim], [a].[created_at], [a].[delete_after], [a].[email], [a].[email_verified], [a].[first_name], [a].[is_active], [a].[last_login_at], [a].[last_name], [a].[lockout_end], [a].[normalized_email], [a].[normalized_user_name], [a].[pending_email], [a].[pending_phone_number], [a].[phone_number], [a].[phone_number_verified], [a].[profile], [a].[roles], [a].[search_text], [a].[security_stamp], [a].[updated_at], [a].[user_name], [a].[version]
FROM [accounts] AS [a]
WHERE [a].[normalized_email] = @normalizedEmail

SELECT TOP(1) [a].[id], [a].[access_failed_count], [a].[claim], [a].[created_at], [a].[delete_after], [a].[email], [a].[email_verified], [a].[first_name], [a].[is_active], [a].[last_login_at], [a].[last_name], [a].[lockout_end], [a].[normalized_email], [a].[normalized_user_name], [a].[pending_email], [a].[pending_phone_number], [a].[phone_number], [a].[phone_number_verified], [a].[profile], [a].[roles], [a].[search_text], [a].[security_stamp], [a].[updated_at], [a].[user_name], [a].[version]
FROM [accounts] AS [a]
WHERE [a].[normalized_user_name] = @normalizedUserName

SELECT TOP(1) [a].[id], [a].[access_failed_count], [a].[claim], [a].[created_at], [a].[delete_after], [a].[email], [a].[email_verified], [a].[first_name], [a].[is_active], [a].[last_login_at], [a].[last_name], [a].[lockout_end], [a].[normalized_email], [a].[normalized_user_name], [a].[pending_email], [a].[pending_phone_number], [a].[phone_number], [a].[phone_number_verified], [a].[profile], [a].[roles], [a].[search_text], [a].[security_stamp], [a].[updated_at], [a].[user_name], [a].[version]
FROM [accounts] AS [a]
WHERE [a].[pending_email] = @email
ORDER BY [a].[updated_at] DESC

SELECT TOP(1) [a].[id], [a].[access_failed_count], [a].[claim], [a].[created_at], [a].[delete_after], [a].[email], [a].[email_verified], [a].[first_name], [a].[is_active], [a].[last_login_at], [a].[last_name], [a].[lockout_end], [a].[normalized_email], [a].[normalized_user_name], [a].[pending_email], [a].[pending_phone_number], [a].[phone_number], [a].[phone_number_verified], [a].[profile], [a].[roles], [a].[search_text], [a].[security_stamp], [a].[updated_at], [a].[user_name], [a].[version]
FROM [accounts] AS [a]
WHERE [a].[phone_number] = @phoneNumber

SELECT TOP(1) [a].[id], [a].[application_id], [a].[client_id], [a].[concurrency_token], [a].[creation_date], [a].[details], [a].[expires_at], [a].[generation], [a].[granted_at], [a].[properties], [a].[resources], [a].[revoked_at], [a].[rotated_at], [a].[scopes], [a].[session_id], [a].[status], [a].[subject], [a].[type]
FROM [authorizations] AS [a]
WHERE [a].[id] = @id

SELECT TOP(1) [a].[id], [a].[application_id], [a].[client_id], [a].[concurrency_token], [a].[creation_date], [a].[details], [a].[expires_at], [a].[generation], [a].[granted_at], [a].[properties], [a].[resources], [a].[revoked_at], [a].[rotated_at], [a].[scopes], [a].[session_id], [a].[status], [a].[subject], [a].[type]
FROM [authorizations] AS [a]
WHERE [a].[subject] = @subject AND [a].[type] = N'permanent' AND [a].[client_id] = @clientId
ORDER BY [a].[granted_at] DESC

SELECT TOP(1) [a].[id], [a].[application_id], [a].[client_id], [a].[concurrency_token], [a].[creation_date], [a].[details], [a].[expires_at], [a].[generation], [a].[granted_at], [a].[properties], [a].[resources], [a].[revoked_at], [a].[rotated_at], [a].[scopes], [a].[session_id], [a].[status], [a].[subject], [a].[type], [s].[id], [s].[account_id], [s].[acr], [s].[amr], [s].[authenticated_at], [s].[client_ids], [s].[created_at], [s].[device_id], [s].[ended_at], [s].[expires_at], [s].[ip], [s].[last_seen_at], [s].[sign_in_until], [s].[told_client_ids], [s].[user_agent], [a0].[id], [a0].[access_failed_count], [a0].[claim], [a0].[created_at], [a0].[delete_after], [a0].[email], [a0].[email_verified], [a0].[first_name], [a0].[is_active], [a0].[last_login_at], [a0].[last_name], [a0].[lockout_end], [a0].[normalized_email], [a0].[normalized_user_name], [a0].[pending_email], [a0].[pending_phone_number], [a0].[phone_number], [a0].[phone_number_verified], [a0].[profile], [a0].[roles], [a0].[search_text], [a0].[security_stamp], [a0].[updated_at], [a0].[user_name], [a0].[version], CASE
    WHEN EXISTS (
        SELECT 1
        FROM [deny_entries] AS [d]
        WHERE ([d].[id] = @grant OR [d].[id] = @consent) AND [d].[granted_until] >= @began AND [d].[expires_at] > @now) THEN CAST(1 AS bit)
    ELSE CAST(0 AS bit)
END
FROM [authorizations] AS [a]
LEFT JOIN [sessions] AS [s] ON [a].[session_id] = [s].[id]
LEFT JOIN [accounts] AS [a0] ON [s].[account_id] = [a0].[id]
WHERE [a].[id] = @id

SELECT TOP(1) [a].[id], [a].[application_type], [a].[client_id], [a].[client_secret], [a].[client_type], [a].[concurrency_token], [a].[consent_type], [a].[display_name], [a].[display_names], [a].[json_web_key_set], [a].[metadata], [a].[permissions], [a].[post_logout_redirect_uris], [a].[properties], [a].[redirect_uris], [a].[requirements], [a].[settings], [a].[updated_at]
FROM [applications] AS [a]
WHERE [a].[client_id] = @id

SELECT TOP(1) [a].[key], [a].[account_id], [a].[change], [a].[email_before], [a].[expires_at], [a].[used_at]
FROM [access_notices] AS [a]
WHERE [a].[key] = @key AND [a].[used_at] IS NULL AND [a].[expires_at] > @now

SELECT TOP(1) [a].[metadata]
FROM [applications] AS [a]
WHERE [a].[client_id] = @clientId

SELECT TOP(1) [c].[account_id], [c].[password_changed_at], [c].[password_hash]
FROM [credentials] AS [c]
WHERE [c].[account_id] = @accountId

SELECT TOP(1) [e].[key], [e].[account_id], [e].[created_at], [e].[last_used_at], [e].[provider], [e].[realm], [e].[subject]
FROM [external_identities] AS [e]
WHERE [e].[key] = @key

SELECT TOP(1) [e].[payload]
FROM [external_entries] AS [e]
WHERE [e].[kind] = @kind AND [e].[key] = @key

SELECT TOP(1) [e].[payload]
FROM [external_entries] AS [e]
WHERE [e].[kind] = @kind AND [e].[key] = @key AND [e].[used_at] IS NULL AND [e].[expires_at] > @now

SELECT TOP(1) [i].[id]
FROM [import_jobs] AS [i]
WHERE [i].[state] IN (N'waiting', N'running') AND ([i].[claimed_until] IS NULL OR [i].[claimed_until] <= @now)
ORDER BY [i].[created_at]

SELECT TOP(1) [i].[id], [i].[claimed_by], [i].[claimed_until], [i].[created], [i].[created_at], [i].[existing], [i].[expires_at], [i].[finished_at], [i].[lines], [i].[processed], [i].[refused], [i].[state]
FROM [import_jobs] AS [i]
WHERE [i].[id] = @id

SELECT TOP(1) [i].[job_id], [i].[ordinal], [i].[content], [i].[first_line]
FROM [import_chunks] AS [i]
WHERE [i].[job_id] = @id
ORDER BY [i].[ordinal]

SELECT TOP(1) [o].[code_hash]
FROM [one_time_codes] AS [o]
WHERE [o].[id] = @id

SELECT TOP(1) [o].[created_at]
FROM [outbox] AS [o]
ORDER BY [o].[sequence]

SELECT TOP(1) [o].[id], [o].[account_id], [o].[channel], [o].[code_hash], [o].[created_at], [o].[expires_at], [o].[guesses], [o].[purpose], [o].[used_at]
FROM [one_time_codes] AS [o]
WHERE [o].[account_id] = @accountId AND [o].[purpose] = @purpose
ORDER BY [o].[created_at] DESC

SELECT TOP(1) [o].[id], [o].[account_id], [o].[channel], [o].[code_hash], [o].[created_at], [o].[expires_at], [o].[guesses], [o].[purpose], [o].[used_at]
FROM [one_time_codes] AS [o]
WHERE [o].[id] = @id

SELECT TOP(1) [p].[answer] AS [Answer], [p].[claimed_until] AS [ClaimedUntil]
FROM [processed_messages] AS [p]
WHERE [p].[key] = @key

SELECT TOP(1) [s].[account_id] AS [AccountId], [s].[told_client_ids] AS [ToldClientIds]
FROM [sessions] AS [s]
WHERE [s].[id] = @id AND [s].[told_client_ids] <> N''

SELECT TOP(1) [s].[id], [s].[account_id], [s].[acr], [s].[amr], [s].[authenticated_at], [s].[client_ids], [s].[created_at], [s].[device_id], [s].[ended_at], [s].[expires_at], [s].[ip], [s].[last_seen_at], [s].[sign_in_until], [s].[told_client_ids], [s].[user_agent]
FROM [sessions] AS [s]
WHERE [s].[id] = @id

SELECT TOP(1) [s].[id], [s].[account_id], [s].[acr], [s].[amr], [s].[authenticated_at], [s].[client_ids], [s].[created_at], [s].[device_id], [s].[ended_at], [s].[expires_at], [s].[ip], [s].[last_seen_at], [s].[sign_in_until], [s].[told_client_ids], [s].[user_agent], [a0].[lockout_end]
FROM [sessions] AS [s]
INNER JOIN (
    SELECT [a].[id], [a].[lockout_end]
    FROM [accounts] AS [a]
    WHERE [a].[is_active] = CAST(1 AS bit)
) AS [a0] ON [s].[account_id] = [a0].[id]
WHERE [s].[id] = @id AND [s].[ended_at] IS NULL

SELECT TOP(1) [s].[id], [s].[account_id], [s].[counter], [s].[created_at], [s].[data], [s].[kind], [s].[last_used_at], [s].[name], [s].[slot]
FROM [second_factors] AS [s]
WHERE [s].[slot] = @slot

SELECT TOP(1) [s].[id], [s].[expires_at], [a0].[id], [a0].[access_failed_count], [a0].[claim], [a0].[created_at], [a0].[delete_after], [a0].[email], [a0].[email_verified], [a0].[first_name], [a0].[is_active], [a0].[last_login_at], [a0].[last_name], [a0].[lockout_end], [a0].[normalized_email], [a0].[normalized_user_name], [a0].[pending_email], [a0].[pending_phone_number], [a0].[phone_number], [a0].[phone_number_verified], [a0].[profile], [a0].[roles], [a0].[search_text], [a0].[security_stamp], [a0].[updated_at], [a0].[user_name], [a0].[version], CASE
    WHEN EXISTS (
        SELECT 1
        FROM [deny_entries] AS [d]
        WHERE ([d].[id] = @first OR [d].[id] = @second OR [d].[id] = @third) AND [d].[granted_until] >= @began AND [d].[expires_at] > @now) THEN CAST(1 AS bit)
    ELSE CAST(0 AS bit)
END
FROM [sessions] AS [s]
INNER JOIN (
    SELECT [a].[id], [a].[access_failed_count], [a].[claim], [a].[created_at], [a].[delete_after], [a].[email], [a].[email_verified], [a].[first_name], [a].[is_active], [a].[last_login_at], [a].[last_name], [a].[lockout_end], [a].[normalized_email], [a].[normalized_user_name], [a].[pending_email], [a].[pending_phone_number], [a].[phone_number], [a].[phone_number_verified], [a].[profile], [a].[roles], [a].[search_text], [a].[security_stamp], [a].[updated_at], [a].[user_name], [a].[version]
    FROM [accounts] AS [a]
    WHERE [a].[is_active] = CAST(1 AS bit)
) AS [a0] ON [s].[account_id] = [a0].[id]
WHERE [s].[id] = @sid AND [s].[ended_at] IS NULL

SELECT TOP(1) [s].[value]
FROM [store_values] AS [s]
WHERE [s].[name] = N'master_key_check'

SELECT TOP(@p) [a].[id]
FROM [accounts] AS [a]
WHERE [a].[delete_after] <= @now AND [a].[is_active] = CAST(0 AS bit)
ORDER BY [a].[delete_after]

SELECT TOP(@p) [a].[id], [a].[access_failed_count], [a].[claim], [a].[created_at], [a].[delete_after], [a].[email], [a].[email_verified], [a].[first_name], [a].[is_active], [a].[last_login_at], [a].[last_name], [a].[lockout_end], [a].[normalized_email], [a].[normalized_user_name], [a].[pending_email], [a].[pending_phone_number], [a].[phone_number], [a].[phone_number_verified], [a].[profile], [a].[roles], [a].[search_text], [a].[security_stamp], [a].[updated_at], [a].[user_name], [a].[version]
FROM [accounts] AS [a]
WHERE [a].[id] > @id
ORDER BY [a].[id]

SELECT TOP(@p) [a].[id], [a].[access_failed_count], [a].[claim], [a].[created_at], [a].[delete_after], [a].[email], [a].[email_verified], [a].[first_name], [a].[is_active], [a].[last_login_at], [a].[last_name], [a].[lockout_end], [a].[normalized_email], [a].[normalized_user_name], [a].[pending_email], [a].[pending_phone_number], [a].[phone_number], [a].[phone_number_verified], [a].[profile], [a].[roles], [a].[search_text], [a].[security_stamp], [a].[updated_at], [a].[user_name], [a].[version]
FROM [accounts] AS [a]
WHERE [a].[search_text] LIKE @folded_contains ESCAPE N'\' AND [a].[roles] <> N'[]' AND [a].[roles] LIKE @element_contains ESCAPE N'\' AND [a].[is_active] = @isActive AND [a].[id] > @id
ORDER BY [a].[id]

SELECT TOP(@p) [a].[id], [a].[account_id], [a].[action], [a].[actor_id], [a].[client_id], [a].[ip], [a].[outcome], [a].[session_id], [a].[time], [a].[user_agent]
FROM [audit_log] AS [a]
WHERE [a].[account_id] = @id
ORDER BY [a].[time] DESC, [a].[id] DESC

SELECT TOP(@p) [d].[id] AS [Id], [d].[account_id] AS [AccountId]
FROM [devices] AS [d]
WHERE [d].[last_seen_at] <= @cutoff
ORDER BY [d].[last_seen_at]

SELECT TOP(@p) [d].[id] AS [Id], [d].[token_hash] AS [TokenHash], [d].[sealed_token] AS [SealedToken]
FROM [devices] AS [d]
WHERE [d].[sealed_token] = 0x AND [d].[id] > @id
ORDER BY [d].[id]

SELECT TOP(@p) [e].[id]
FROM [export_jobs] AS [e]
WHERE [e].[expires_at] <= @now
ORDER BY [e].[id]

SELECT TOP(@p) [i].[id]
FROM [import_jobs] AS [i]
WHERE [i].[expires_at] <= @now OR ([i].[state] = N'receiving' AND [i].[created_at] <= @yesterday)
ORDER BY [i].[id]

SELECT TOP(@p) [i].[job_id], [i].[line], [i].[reasons]
FROM [import_refusals] AS [i]
WHERE [i].[job_id] = @id AND [i].[line] > @after
ORDER BY [i].[line]

SELECT TOP(@p) [o].[sequence], [o].[account_id], [o].[body], [o].[claimed_by], [o].[claimed_until], [o].[created_at], [o].[exchange], [o].[message_id], [o].[routing_key], [o].[trace_parent]
FROM [outbox] AS [o]
WHERE ([o].[claimed_until] IS NULL OR [o].[claimed_until] <= @now) AND NOT EXISTS (
    SELECT 1
    FROM [outbox] AS [o0]
    WHERE [o0].[account_id] = [o].[account_id] AND [o0].[sequence] < [o].[sequence] AND [o0].[claimed_until] > @now)
ORDER BY [o].[sequence]

SELECT TOP(@p) [s].[id] AS [Id], [s].[data] AS [Data]
FROM [second_factors] AS [s]
WHERE [s].[kind] IN (N'totp', N'passkey') AND [s].[data] = N'' AND [s].[id] > @id
ORDER BY [s].[id]

SELECT TOP(@p) [s].[id], [s].[account_id], [s].[acr], [s].[amr], [s].[authenticated_at], [s].[client_ids], [s].[created_at], [s].[device_id], [s].[ended_at], [s].[expires_at], [s].[ip], [s].[last_seen_at], [s].[sign_in_until], [s].[told_client_ids], [s].[user_agent]
FROM [sessions] AS [s]
WHERE [s].[expires_at] <= @now AND [s].[ended_at] IS NULL
ORDER BY [s].[expires_at]

SELECT [a].[account_id], [a].[document]
FROM [account_metadata] AS [a]
WHERE [a].[account_id] = @ids1

SELECT [a].[expires_at]
FROM [access_notices] AS [a]
WHERE [a].[expires_at] <= @until
ORDER BY [a].[expires_at]
OFFSET @p ROWS FETCH NEXT 1 ROWS ONLY

SELECT [a].[expires_at]
FROM [authorizations] AS [a]
WHERE [a].[expires_at] IS NOT NULL AND NOT EXISTS (
    SELECT 1
    FROM [tokens] AS [t]
    WHERE [a].[id] = [t].[authorization_id]) AND [a].[expires_at] <= @until
ORDER BY [a].[expires_at]
OFFSET @p ROWS FETCH NEXT 1 ROWS ONLY

SELECT [a].[id]
FROM [accounts] AS [a]
WHERE [a].[id] = @ids1

SELECT [a].[id], [a].[account_id], [a].[action], [a].[actor_id], [a].[client_id], [a].[ip], [a].[outcome], [a].[session_id], [a].[time], [a].[user_agent]
FROM [audit_log] AS [a]
WHERE [a].[account_id] = 0x01900000000070008000000000000001

SELECT [a].[id], [a].[application_id], [a].[client_id], [a].[concurrency_token], [a].[creation_date], [a].[details], [a].[expires_at], [a].[generation], [a].[granted_at], [a].[properties], [a].[resources], [a].[revoked_at], [a].[rotated_at], [a].[scopes], [a].[session_id], [a].[status], [a].[subject], [a].[type]
FROM [authorizations] AS [a]
WHERE [a].[subject] = @subject AND [a].[type] = N'permanent'
ORDER BY [a].[client_id]

SELECT [a].[id], [a].[application_id], [a].[client_id], [a].[concurrency_token], [a].[creation_date], [a].[details], [a].[expires_at], [a].[generation], [a].[granted_at], [a].[properties], [a].[resources], [a].[revoked_at], [a].[rotated_at], [a].[scopes], [a].[session_id], [a].[status], [a].[subject], [a].[type]
FROM [authorizations] AS [a]
WHERE [a].[subject] = N'01900000-0000-7000-8000-000000000001'

SELECT [a].[key], [a].[account_id], [a].[change], [a].[email_before], [a].[expires_at], [a].[used_at]
FROM [access_notices] AS [a]
WHERE [a].[account_id] = 0x01900000000070008000000000000001

SELECT [a].[key], [a].[account_id], [a].[change], [a].[email_before], [a].[expires_at], [a].[used_at]
FROM [access_notices] AS [a]
WHERE [a].[account_id] = @notice_AccountId AND [a].[used_at] IS NULL AND [a].[expires_at] >= @notice_ExpiresAt
ORDER BY [a].[expires_at]

SELECT [a].[metadata]
FROM [applications] AS [a]
ORDER BY [a].[client_id]

SELECT [a].[normalized_email] AS [NormalizedEmail], [a].[id] AS [Id]
FROM [accounts] AS [a]
WHERE 0 = 1

SELECT [a].[normalized_email] AS [NormalizedEmail], [a].[id] AS [Id]
FROM [accounts] AS [a]
WHERE [a].[normalized_email] = @emails1

SELECT [a].[scopes]
FROM [authorizations] AS [a]
WHERE [a].[subject] = @subject AND [a].[type] = N'permanent' AND [a].[client_id] = @consent_ClientId

SELECT [a].[time]
FROM [audit_log] AS [a]
WHERE [a].[time] <= @until
ORDER BY [a].[time]
OFFSET @p ROWS FETCH NEXT 1 ROWS ONLY

SELECT [d].[expires_at]
FROM [deny_entries] AS [d]
WHERE [d].[expires_at] <= @until
ORDER BY [d].[expires_at]
OFFSET @p ROWS FETCH NEXT 1 ROWS ONLY

SELECT [d].[id] AS [Id], [d].[token_hash] AS [TokenHash], [d].[sealed_token] AS [SealedToken]
FROM [devices] AS [d]
WHERE [d].[id] = @ids1

SELECT [d].[id], [d].[account_id], [d].[app_id], [d].[created_at], [d].[device_id], [d].[environment], [d].[last_seen_at], [d].[platform], [d].[public_key], [d].[registered_at], [d].[sealed_token], [d].[session_id], [d].[token_hash], [d].[user_agent]
FROM [devices] AS [d]
WHERE [d].[account_id] = 0x01900000000070008000000000000001

SELECT [d].[id], [d].[account_id], [d].[app_id], [d].[created_at], [d].[device_id], [d].[environment], [d].[last_seen_at], [d].[platform], [d].[public_key], [d].[registered_at], [d].[sealed_token], [d].[session_id], [d].[token_hash], [d].[user_agent]
FROM [devices] AS [d]
WHERE [d].[account_id] = @accountId
ORDER BY [d].[id]

SELECT [d].[id], [d].[account_id], [d].[app_id], [d].[created_at], [d].[device_id], [d].[environment], [d].[last_seen_at], [d].[platform], [d].[public_key], [d].[registered_at], [d].[sealed_token], [d].[session_id], [d].[token_hash], [d].[user_agent]
FROM [devices] AS [d]
WHERE [d].[session_id] = @sessionId AND [d].[account_id] = @destroyed_AccountId
ORDER BY [d].[id]

SELECT [e].[expires_at]
FROM [external_entries] AS [e]
WHERE [e].[expires_at] <= @until
ORDER BY [e].[expires_at]
OFFSET @p ROWS FETCH NEXT 1 ROWS ONLY

SELECT [e].[expires_at]
FROM [external_sessions] AS [e]
WHERE NOT EXISTS (
    SELECT 1
    FROM [sessions] AS [s]
    WHERE [s].[id] = [e].[session_id] AND [s].[ended_at] IS NULL) AND [e].[expires_at] <= @until
ORDER BY [e].[expires_at]
OFFSET @p ROWS FETCH NEXT 1 ROWS ONLY

SELECT [e].[key] AS [Key], [e].[provider] AS [Provider]
FROM [external_identities] AS [e]
WHERE [e].[account_id] = @accountId

SELECT [e].[key], [e].[account_id], [e].[created_at], [e].[last_used_at], [e].[provider], [e].[realm], [e].[subject]
FROM [external_identities] AS [e]
WHERE [e].[account_id] = 0x01900000000070008000000000000001

SELECT [e].[key], [e].[account_id], [e].[created_at], [e].[last_used_at], [e].[provider], [e].[realm], [e].[subject]
FROM [external_identities] AS [e]
WHERE [e].[account_id] = @accountId
ORDER BY [e].[created_at]

SELECT [e].[session_id], [e].[ends_at], [e].[expires_at], [e].[provider], [e].[sign_out_state], [e].[subject_key], [e].[upstream_key]
FROM [external_sessions] AS [e]
WHERE [e].[session_id] IN (
    SELECT [s].[id]
    FROM [sessions] AS [s]
    WHERE [s].[account_id] = @id
)

SELECT [f].[at]
FROM [factor_proofs] AS [f]
WHERE [f].[at] <= @until
ORDER BY [f].[at]
OFFSET @p ROWS FETCH NEXT 1 ROWS ONLY

SELECT [k].[account_id], [k].[key], [k].[expires_at], [k].[failures]
FROM [known_devices] AS [k]
WHERE [k].[account_id] = 0x01900000000070008000000000000001

SELECT [k].[expires_at]
FROM [known_devices] AS [k]
WHERE [k].[expires_at] <= @until
ORDER BY [k].[expires_at]
OFFSET @p ROWS FETCH NEXT 1 ROWS ONLY

SELECT [l].[expires_at]
FROM [logout_notices] AS [l]
WHERE [l].[expires_at] <= @until
ORDER BY [l].[expires_at]
OFFSET @p ROWS FETCH NEXT 1 ROWS ONLY

SELECT [l].[id], [l].[account_id], [l].[attempts], [l].[client_id], [l].[due_at], [l].[expires_at], [l].[session_id]
FROM [logout_notices] AS [l]
WHERE [l].[account_id] = 0x01900000000070008000000000000001

SELECT [m].[expires_at]
FROM [mail_messages] AS [m]
WHERE [m].[expires_at] <= @until
ORDER BY [m].[expires_at]
OFFSET @p ROWS FETCH NEXT 1 ROWS ONLY

SELECT [m].[id], [m].[account_id], [m].[attempts], [m].[claimed_by], [m].[claimed_until], [m].[created_at], [m].[expires_at], [m].[kind], [m].[next_attempt_at], [m].[sealed_body]
FROM [mail_messages] AS [m]
WHERE [m].[account_id] = 0x01900000000070008000000000000001

SELECT [o].[expires_at]
FROM [one_time_codes] AS [o]
WHERE [o].[expires_at] <= @until
ORDER BY [o].[expires_at]
OFFSET @p ROWS FETCH NEXT 1 ROWS ONLY

SELECT [o].[id], [o].[account_id], [o].[channel], [o].[code_hash], [o].[created_at], [o].[expires_at], [o].[guesses], [o].[purpose], [o].[used_at]
FROM [one_time_codes] AS [o]
WHERE [o].[account_id] = 0x01900000000070008000000000000001

SELECT [p].[expires_at]
FROM [processed_messages] AS [p]
WHERE [p].[expires_at] <= @until
ORDER BY [p].[expires_at]
OFFSET @p ROWS FETCH NEXT 1 ROWS ONLY

SELECT [p].[expires_at]
FROM [push_messages] AS [p]
WHERE [p].[expires_at] <= @until
ORDER BY [p].[expires_at]
OFFSET @p ROWS FETCH NEXT 1 ROWS ONLY

SELECT [p].[expires_at]
FROM [push_sign_ins] AS [p]
WHERE [p].[expires_at] <= @until
ORDER BY [p].[expires_at]
OFFSET @p ROWS FETCH NEXT 1 ROWS ONLY

SELECT [p].[id], [p].[account_id], [p].[attempts], [p].[claimed_by], [p].[claimed_until], [p].[created_at], [p].[device_id], [p].[expires_at], [p].[kind], [p].[next_attempt_at], [p].[sealed_body]
FROM [push_messages] AS [p]
WHERE [p].[account_id] = 0x01900000000070008000000000000001

SELECT [p].[id], [p].[account_id], [p].[binding], [p].[choices], [p].[client_id], [p].[client_name], [p].[created_at], [p].[decided_at], [p].[decided_by], [p].[expires_at], [p].[ip], [p].[is_alone], [p].[nonce], [p].[number], [p].[stamp], [p].[status], [p].[user_agent]
FROM [push_sign_ins] AS [p]
WHERE [p].[account_id] = 0x01900000000070008000000000000001

SELECT [r].[account_id], [r].[code_hash], [r].[created_at], [r].[used_at]
FROM [recovery_codes] AS [r]
WHERE [r].[account_id] = 0x01900000000070008000000000000001

SELECT [r].[document]
FROM [resources] AS [r]
ORDER BY [r].[identifier]

SELECT [r].[expires_at]
FROM [rate_limits] AS [r]
WHERE [r].[expires_at] <= @until
ORDER BY [r].[expires_at]
OFFSET @p ROWS FETCH NEXT 1 ROWS ONLY

SELECT [r].[expires_at]
FROM [remembered_browsers] AS [r]
WHERE [r].[expires_at] <= @until
ORDER BY [r].[expires_at]
OFFSET @p ROWS FETCH NEXT 1 ROWS ONLY

SELECT [r].[expires_at]
FROM [replay_entries] AS [r]
WHERE [r].[expires_at] <= @until
ORDER BY [r].[expires_at]
OFFSET @p ROWS FETCH NEXT 1 ROWS ONLY

SELECT [r].[id], [r].[account_id], [r].[created_at], [r].[expires_at], [r].[ip], [r].[last_used_at], [r].[security_stamp], [r].[token_hash], [r].[user_agent]
FROM [remembered_browsers] AS [r]
WHERE [r].[account_id] = 0x01900000000070008000000000000001

SELECT [r].[id], [r].[account_id], [r].[created_at], [r].[expires_at], [r].[ip], [r].[last_used_at], [r].[security_stamp], [r].[token_hash], [r].[user_agent]
FROM [remembered_browsers] AS [r]
WHERE [r].[account_id] = @accountId AND [r].[expires_at] > @now
ORDER BY [r].[created_at] DESC

SELECT [r].[name]
FROM [roles] AS [r]
WHERE [r].[name] = @asked1

SELECT [r].[name], [r].[created_at], [r].[description]
FROM [roles] AS [r]

SELECT [s].[expires_at]
FROM [sessions] AS [s]
WHERE [s].[ended_at] IS NOT NULL AND [s].[expires_at] <= @until
ORDER BY [s].[expires_at]
OFFSET @p ROWS FETCH NEXT 1 ROWS ONLY

SELECT [s].[expires_at]
FROM [spent_tickets] AS [s]
WHERE [s].[expires_at] <= @until
ORDER BY [s].[expires_at]
OFFSET @p ROWS FETCH NEXT 1 ROWS ONLY

SELECT [s].[id] AS [Id], [s].[data] AS [Data]
FROM [second_factors] AS [s]
WHERE [s].[kind] IN (N'totp', N'passkey') AND [s].[id] = @ids1

SELECT [s].[id], [s].[account_id], [s].[acr], [s].[amr], [s].[authenticated_at], [s].[client_ids], [s].[created_at], [s].[device_id], [s].[ended_at], [s].[expires_at], [s].[ip], [s].[last_seen_at], [s].[sign_in_until], [s].[told_client_ids], [s].[user_agent]
FROM [sessions] AS [s]
WHERE [s].[account_id] = 0x01900000000070008000000000000001

SELECT [s].[id], [s].[account_id], [s].[acr], [s].[amr], [s].[authenticated_at], [s].[client_ids], [s].[created_at], [s].[device_id], [s].[ended_at], [s].[expires_at], [s].[ip], [s].[last_seen_at], [s].[sign_in_until], [s].[told_client_ids], [s].[user_agent]
FROM [sessions] AS [s]
WHERE [s].[account_id] = @accountId AND [s].[ended_at] IS NULL AND [s].[expires_at] > @now

SELECT [s].[id], [s].[account_id], [s].[acr], [s].[amr], [s].[authenticated_at], [s].[client_ids], [s].[created_at], [s].[device_id], [s].[ended_at], [s].[expires_at], [s].[ip], [s].[last_seen_at], [s].[sign_in_until], [s].[told_client_ids], [s].[user_agent]
FROM [sessions] AS [s]
WHERE [s].[account_id] = @accountId AND [s].[ended_at] IS NULL AND [s].[expires_at] > @now
ORDER BY [s].[created_at] DESC

SELECT [s].[id], [s].[account_id], [s].[acr], [s].[amr], [s].[authenticated_at], [s].[client_ids], [s].[created_at], [s].[device_id], [s].[ended_at], [s].[expires_at], [s].[ip], [s].[last_seen_at], [s].[sign_in_until], [s].[told_client_ids], [s].[user_agent]
FROM [sessions] AS [s]
WHERE [s].[account_id] = @accountId AND [s].[ended_at] IS NULL AND [s].[expires_at] > @now AND (([s].[sign_in_until] > @now0 AND [s].[last_seen_at] > @seenAfter) OR EXISTS (
    SELECT 1
    FROM [authorizations] AS [a]
    WHERE [a].[session_id] = [s].[id] AND [a].[revoked_at] IS NULL AND [a].[expires_at] > @now4))
ORDER BY [s].[created_at] DESC

SELECT [s].[id], [s].[account_id], [s].[counter], [s].[created_at], [s].[data], [s].[kind], [s].[last_used_at], [s].[name], [s].[slot]
FROM [second_factors] AS [s]
WHERE [s].[account_id] = 0x01900000000070008000000000000001

SELECT [s].[id], [s].[account_id], [s].[counter], [s].[created_at], [s].[data], [s].[kind], [s].[last_used_at], [s].[name], [s].[slot]
FROM [second_factors] AS [s]
WHERE [s].[account_id] = @accountId
ORDER BY [s].[created_at], [s].[id]

SELECT [s].[kid], [s].[activates_at], [s].[algorithm], [s].[created_at], [s].[ordinal], [s].[protected_key], [s].[retires_at]
FROM [signing_keys] AS [s]
ORDER BY [s].[algorithm], [s].[ordinal]

SELECT [t].[expiration_date]
FROM [tokens] AS [t]
WHERE [t].[expiration_date] IS NOT NULL AND [t].[expiration_date] <= @until
ORDER BY [t].[expiration_date]
OFFSET @p ROWS FETCH NEXT 1 ROWS ONLY

SELECT [t].[expiration_date]
FROM [tokens] AS [t]
WHERE [t].[type] = @type AND [t].[expiration_date] IS NOT NULL AND [t].[expiration_date] <= @until
ORDER BY [t].[expiration_date]
OFFSET @p ROWS FETCH NEXT 1 ROWS ONLY

SELECT [t].[id], [t].[application_id], [t].[authorization_id], [t].[concurrency_token], [t].[creation_date], [t].[expiration_date], [t].[payload], [t].[properties], [t].[redemption_date], [t].[reference_id], [t].[status], [t].[subject], [t].[type]
FROM [tokens] AS [t]
WHERE [t].[subject] = N'01900000-0000-7000-8000-000000000001'

SET IMPLICIT_TRANSACTIONS OFF;
SET NOCOUNT ON;
INSERT INTO [audit_log] ([id], [account_id], [action], [actor_id], [client_id], [ip], [outcome], [session_id], [time], [user_agent])
VALUES (@p0, @p1, @p2, @p3, @p4, @p5, @p6, @p7, @p8, @p9);

SET IMPLICIT_TRANSACTIONS OFF;
SET NOCOUNT ON;
INSERT INTO [authorizations] ([id], [application_id], [client_id], [concurrency_token], [creation_date], [details], [expires_at], [generation], [granted_at], [properties], [resources], [revoked_at], [rotated_at], [scopes], [session_id], [status], [subject], [type])
VALUES (@p0, @p1, @p2, @p3, @p4, @p5, @p6, @p7, @p8, @p9, @p10, @p11, @p12, @p13, @p14, @p15, @p16, @p17);

SET IMPLICIT_TRANSACTIONS OFF;
SET NOCOUNT ON;
INSERT INTO [external_entries] ([key], [kind], [expires_at], [payload], [used_at])
VALUES (@p0, @p1, @p2, @p3, @p4);

SET IMPLICIT_TRANSACTIONS OFF;
SET NOCOUNT ON;
INSERT INTO [import_jobs] ([id], [claimed_by], [claimed_until], [created], [created_at], [existing], [expires_at], [finished_at], [lines], [processed], [refused], [state])
VALUES (@p0, @p1, @p2, @p3, @p4, @p5, @p6, @p7, @p8, @p9, @p10, @p11);

SET IMPLICIT_TRANSACTIONS OFF;
SET NOCOUNT ON;
INSERT INTO [logout_notices] ([id], [account_id], [attempts], [client_id], [due_at], [expires_at], [session_id])
VALUES (@p0, @p1, @p2, @p3, @p4, @p5, @p6);

SET IMPLICIT_TRANSACTIONS OFF;
SET NOCOUNT ON;
INSERT INTO [one_time_codes] ([id], [account_id], [channel], [code_hash], [created_at], [expires_at], [guesses], [purpose], [used_at])
VALUES (@p0, @p1, @p2, @p3, @p4, @p5, @p6, @p7, @p8);

SET IMPLICIT_TRANSACTIONS OFF;
SET NOCOUNT ON;
INSERT INTO [outbox] ([account_id], [body], [claimed_by], [claimed_until], [created_at], [exchange], [message_id], [routing_key], [trace_parent])
OUTPUT INSERTED.[sequence]
VALUES (@p0, @p1, @p2, @p3, @p4, @p5, @p6, @p7, @p8);

SET IMPLICIT_TRANSACTIONS OFF;
SET NOCOUNT ON;
INSERT INTO [roles] ([name], [created_at], [description])
VALUES (@p0, @p1, @p2);

SET IMPLICIT_TRANSACTIONS OFF;
SET NOCOUNT ON;
INSERT INTO [signing_keys] ([kid], [activates_at], [algorithm], [created_at], [ordinal], [protected_key], [retires_at])
VALUES (@p0, @p1, @p2, @p3, @p4, @p5, @p6);

SET NOCOUNT ON;
INSERT INTO [access_notices] ([key], [account_id], [change], [email_before], [expires_at], [used_at])
VALUES (@p0, @p1, @p2, @p3, @p4, @p5);
INSERT INTO [mail_messages] ([id], [account_id], [attempts], [claimed_by], [claimed_until], [created_at], [expires_at], [kind], [next_attempt_at], [sealed_body])
VALUES (@p6, @p7, @p8, @p9, @p10, @p11, @p12, @p13, @p14, @p15);

SET NOCOUNT ON;
INSERT INTO [access_notices] ([key], [account_id], [change], [email_before], [expires_at], [used_at])
VALUES (@p0, @p1, @p2, @p3, @p4, @p5);
INSERT INTO [mail_messages] ([id], [account_id], [attempts], [claimed_by], [claimed_until], [created_at], [expires_at], [kind], [next_attempt_at], [sealed_body])
VALUES (@p6, @p7, @p8, @p9, @p10, @p11, @p12, @p13, @p14, @p15);
INSERT INTO [outbox] ([account_id], [body], [claimed_by], [claimed_until], [created_at], [exchange], [message_id], [routing_key], [trace_parent])
OUTPUT INSERTED.[sequence]
VALUES (@p16, @p17, @p18, @p19, @p20, @p21, @p22, @p23, @p24);

SET NOCOUNT ON;
INSERT INTO [access_notices] ([key], [account_id], [change], [email_before], [expires_at], [used_at])
VALUES (@p0, @p1, @p2, @p3, @p4, @p5);
INSERT INTO [mail_messages] ([id], [account_id], [attempts], [claimed_by], [claimed_until], [created_at], [expires_at], [kind], [next_attempt_at], [sealed_body])
VALUES (@p6, @p7, @p8, @p9, @p10, @p11, @p12, @p13, @p14, @p15);
INSERT INTO [recovery_codes] ([account_id], [code_hash], [created_at], [used_at])
VALUES (@p16, @p17, @p18, @p19);

SET NOCOUNT ON;
INSERT INTO [access_notices] ([key], [account_id], [change], [email_before], [expires_at], [used_at])
VALUES (@p0, @p1, @p2, @p3, @p4, @p5);
INSERT INTO [mail_messages] ([id], [account_id], [attempts], [claimed_by], [claimed_until], [created_at], [expires_at], [kind], [next_attempt_at], [sealed_body])
VALUES (@p6, @p7, @p8, @p9, @p10, @p11, @p12, @p13, @p14, @p15);
INSERT INTO [remembered_browsers] ([id], [account_id], [created_at], [expires_at], [ip], [last_used_at], [security_stamp], [token_hash], [user_agent])
VALUES (@p16, @p17, @p18, @p19, @p20, @p21, @p22, @p23, @p24);

SET NOCOUNT ON;
INSERT INTO [account_metadata] ([account_id], [document])
VALUES (@p0, @p1);
INSERT INTO [accounts] ([id], [access_failed_count], [claim], [created_at], [delete_after], [email], [email_verified], [first_name], [is_active], [last_login_at], [last_name], [lockout_end], [normalized_email], [normalized_user_name], [pending_email], [pending_phone_number], [phone_number], [phone_number_verified], [profile], [roles], [search_text], [security_stamp], [updated_at], [user_name], [version])
VALUES (@p2, @p3, @p4, @p5, @p6, @p7, @p8, @p9, @p10, @p11, @p12, @p13, @p14, @p15, @p16, @p17, @p18, @p19, @p20, @p21, @p22, @p23, @p24, @p25, @p26);
INSERT INTO [credentials] ([account_id], [password_changed_at], [password_hash])
VALUES (@p27, @p28, @p29);
INSERT INTO [outbox] ([account_id], [body], [claimed_by], [claimed_until], [created_at], [exchange], [message_id], [routing_key], [trace_parent])
OUTPUT INSERTED.[sequence]
VALUES (@p30, @p31, @p32, @p33, @p34, @p35, @p36, @p37, @p38);

UPDATE [a]
SET [a].[access_failed_count] = @p,
    [a].[last_login_at] = @p2
FROM [accounts] AS [a]
WHERE [a].[id] = @id

UPDATE [a]
SET [a].[access_failed_count] = @p,
    [a].[lockout_end] = @p2
FROM [accounts] AS [a]
WHERE [a].[id] = @id

UPDATE [a]
SET [a].[access_failed_count] = @p,
    [a].[lockout_end] = NULL
FROM [accounts] AS [a]
WHERE [a].[id] = @row_Id

UPDATE [a]
SET [a].[access_failed_count] = CASE
    WHEN [a].[access_failed_count] + 1 >= @limit THEN 0
    ELSE [a].[access_failed_count] + 1
END,
    [a].[lockout_end] = CASE
        WHEN [a].[access_failed_count] + 1 >= @limit THEN @lockoutEnd
        ELSE [a].[lockout_end]
    END
FROM [accounts] AS [a]
WHERE [a].[id] = @id AND ([a].[lockout_end] IS NULL OR [a].[lockout_end] <= @now)

UPDATE [a]
SET [a].[account_id] = NULL,
    [a].[actor_id] = CASE
        WHEN [a].[actor_id] = @actor THEN NULL
        ELSE [a].[actor_id]
    END,
    [a].[session_id] = NULL,
    [a].[ip] = NULL,
    [a].[user_agent] = NULL
FROM [audit_log] AS [a]
WHERE [a].[account_id] = @id

UPDATE [a]
SET [a].[actor_id] = NULL,
    [a].[ip] = NULL,
    [a].[user_agent] = NULL
FROM [audit_log] AS [a]
WHERE [a].[actor_id] = @actor

UPDATE [a]
SET [a].[revoked_at] = @p,
    [a].[status] = @p2
FROM [authorizations] AS [a]
WHERE [a].[id] = @id AND [a].[revoked_at] IS NULL

UPDATE [a]
SET [a].[revoked_at] = @p,
    [a].[status] = @p2
FROM [authorizations] AS [a]
WHERE [a].[session_id] = @id AND [a].[revoked_at] IS NULL

UPDATE [a]
SET [a].[revoked_at] = @p,
    [a].[status] = @p2
FROM [authorizations] AS [a]
WHERE [a].[session_id] = @ids1 AND [a].[revoked_at] IS NULL

UPDATE [a]
SET [a].[revoked_at] = @p,
    [a].[status] = @p3
FROM [authorizations] AS [a]
WHERE [a].[subject] = @subject AND [a].[client_id] = @clientId AND [a].[type] = N'ad-hoc' AND [a].[revoked_at] IS NULL

UPDATE [a]
SET [a].[used_at] = @p
FROM [access_notices] AS [a]
WHERE [a].[account_id] = @row_Id AND [a].[used_at] IS NULL AND [a].[expires_at] >= @link_ExpiresAt

UPDATE [a]
SET [a].[used_at] = @p
FROM [access_notices] AS [a]
WHERE [a].[account_id] = @row_Id AND [a].[used_at] IS NULL AND [a].[key] = @link_Key

UPDATE [a]
SET [a].[version] = @p,
    [a].[email] = @p3,
    [a].[normalized_email] = @p3,
    [a].[user_name] = NULL,
    [a].[normalized_user_name] = NULL,
    [a].[phone_number] = NULL,
    [a].[pending_email] = NULL,
    [a].[pending_phone_number] = NULL,
    [a].[claim] = @p10,
    [a].[first_name] = NULL,
    [a].[last_name] = NULL,
    [a].[email_verified] = @p13,
    [a].[phone_number_verified] = @p13,
    [a].[is_active] = @p15,
    [a].[roles] = @p16,
    [a].[profile] = @p17,
    [a].[updated_at] = @p18,
    [a].[delete_after] = NULL,
    [a].[search_text] = @p20,
    [a].[security_stamp] = @p21
FROM [accounts] AS [a]
WHERE [a].[id] = @row_Id AND [a].[version] = @expectedVersion

UPDATE [c]
SET [c].[password_hash] = @p,
    [c].[password_changed_at] = @p3
FROM [credentials] AS [c]
WHERE [c].[account_id] = @accountId AND [c].[password_hash] = @expected

UPDATE [d]
SET [d].[sealed_token] = @p
FROM [devices] AS [d]
WHERE [d].[id] = @waiting_Id AND [d].[token_hash] = @hash AND [d].[sealed_token] = @token AND EXISTS (
    SELECT 1
    FROM [store_values] AS [s]
    WHERE [s].[name] = N'credentials_home' AND [s].[value] = N'mongodb')

UPDATE [e]
SET [e].[expires_at] = (
    SELECT TOP(1) [s0].[expires_at]
    FROM [sessions] AS [s0]
    WHERE [s0].[id] = [e].[session_id])
FROM [external_sessions] AS [e]
WHERE [e].[expires_at] <= @now AND EXISTS (
    SELECT 1
    FROM [sessions] AS [s]
    WHERE [s].[id] = [e].[session_id] AND [s].[ended_at] IS NULL AND [s].[expires_at] > @now0)

UPDATE [e]
SET [e].[last_used_at] = @p
FROM [external_identities] AS [e]
WHERE [e].[key] = @key AND [e].[last_used_at] < @now

UPDATE [e]
SET [e].[used_at] = @p
FROM [external_entries] AS [e]
WHERE [e].[kind] = @kind AND [e].[key] = @key AND [e].[used_at] IS NULL AND [e].[expires_at] > @now

UPDATE [i]
SET [i].[claimed_until] = @p,
    [i].[processed] = [i].[processed] + @p3,
    [i].[created] = [i].[created] + @p4,
    [i].[existing] = [i].[existing] + @p5,
    [i].[refused] = [i].[refused] + @p6
FROM [import_jobs] AS [i]
WHERE [i].[id] = @id AND [i].[claimed_by] = @claim

UPDATE [i]
SET [i].[state] = @p,
    [i].[claimed_by] = @p3,
    [i].[claimed_until] = @p4
FROM [import_jobs] AS [i]
WHERE [i].[state] IN (N'waiting', N'running') AND ([i].[claimed_until] IS NULL OR [i].[claimed_until] <= @now) AND [i].[id] = @id

UPDATE [k]
SET [k].[failures] = [k].[failures] + 1
FROM [known_devices] AS [k]
WHERE [k].[account_id] = @accountId AND [k].[key] = @key AND [k].[expires_at] > @now

UPDATE [o]
SET [o].[claimed_by] = @p,
    [o].[claimed_until] = @p2
FROM [outbox] AS [o]
WHERE [o].[sequence] = @sequences1

UPDATE [o]
SET [o].[claimed_by] = NULL,
    [o].[claimed_until] = NULL
FROM [outbox] AS [o]
WHERE [o].[claimed_by] = @worker AND [o].[sequence] = @all1

UPDATE [o]
SET [o].[claimed_until] = @p
FROM [outbox] AS [o]
WHERE [o].[claimed_by] = @worker AND [o].[sequence] = @all1

UPDATE [o]
SET [o].[guesses] = [o].[guesses] + 1,
    [o].[used_at] = CASE
        WHEN [o].[code_hash] = @codeHash THEN @now4
    END
FROM [one_time_codes] AS [o]
WHERE [o].[id] = @id AND [o].[used_at] IS NULL AND [o].[guesses] < @maxGuesses AND [o].[expires_at] > @now

UPDATE [p]
SET [p].[answer] = @p,
    [p].[claimed_until] = @p3,
    [p].[expires_at] = @p30
FROM [processed_messages] AS [p]
WHERE [p].[key] = @key AND [p].[claim] = @claim AND [p].[answer] IS NULL

UPDATE [p]
SET [p].[answer] = @p,
    [p].[expires_at] = @p3
FROM [processed_messages] AS [p]
WHERE [p].[key] = @key AND [p].[claim] = @claim AND [p].[answer] IS NULL

UPDATE [p]
SET [p].[answer] = NULL,
    [p].[claimed_until] = @p3
FROM [processed_messages] AS [p]
WHERE [p].[key] = @key AND [p].[claim] = @claim

UPDATE [p]
SET [p].[answer] = SUBSTRING([p].[answer], 1 + 1, LEN([p].[answer]))
FROM [processed_messages] AS [p]
WHERE [p].[key] = @key AND [p].[claim] = @claim AND [p].[answer] IS NOT NULL AND [p].[answer] LIKE N' %'

UPDATE [p]
SET [p].[claim] = @p,
    [p].[claimed_until] = @p3,
    [p].[expires_at] = @p30
FROM [processed_messages] AS [p]
WHERE [p].[key] = @key AND [p].[answer] IS NULL AND [p].[claimed_until] <= @now

UPDATE [p]
SET [p].[claimed_until] = @p
FROM [processed_messages] AS [p]
WHERE [p].[key] = @key AND [p].[claim] = @claim AND [p].[answer] IS NOT NULL AND [p].[answer] LIKE N' %'

UPDATE [r]
SET [r].[description] = @p
FROM [roles] AS [r]
WHERE [r].[name] = @name

UPDATE [r]
SET [r].[last_used_at] = @p
FROM [remembered_browsers] AS [r]
WHERE [r].[account_id] = @accountId AND [r].[token_hash] = @tokenHash AND [r].[security_stamp] = @securityStamp AND [r].[expires_at] > @now

UPDATE [r]
SET [r].[used_at] = @p
FROM [recovery_codes] AS [r]
WHERE [r].[account_id] = @accountId AND [r].[used_at] IS NULL AND [r].[code_hash] = @hash

UPDATE [s]
SET [s].[authenticated_at] = @p,
    [s].[last_seen_at] = @p0,
    [s].[amr] = @p5,
    [s].[acr] = @p5,
    [s].[sign_in_until] = @p1,
    [s].[expires_at] = CASE
        WHEN [s].[expires_at] < @until THEN @until
        ELSE [s].[expires_at]
    END
FROM [sessions] AS [s]
WHERE [s].[id] = @id AND [s].[ended_at] IS NULL AND [s].[expires_at] > @at AND [s].[authenticated_at] < @at0

UPDATE [s]
SET [s].[client_ids] = CASE
    WHEN nchar(10) + [s].[client_ids] + nchar(10) LIKE @line_contains ESCAPE N'\' THEN [s].[client_ids]
    WHEN [s].[client_ids] = N'' THEN @clientId
    ELSE [s].[client_ids] + nchar(10) + @clientId
END,
    [s].[told_client_ids] = CASE
        WHEN nchar(10) + [s].[told_client_ids] + nchar(10) LIKE @line_contains ESCAPE N'\' THEN [s].[told_client_ids]
        WHEN [s].[told_client_ids] = N'' THEN @clientId
        ELSE [s].[told_client_ids] + nchar(10) + @clientId
    END,
    [s].[expires_at] = CASE
        WHEN [s].[expires_at] < @until THEN @until
        ELSE [s].[expires_at]
    END
FROM [sessions] AS [s]
WHERE [s].[id] = @id AND ([s].[expires_at] < @until OR nchar(10) + [s].[client_ids] + nchar(10) NOT LIKE @line_contains ESCAPE N'\' OR nchar(10) + [s].[told_client_ids] + nchar(10) NOT LIKE @line_contains ESCAPE N'\')

UPDATE [s]
SET [s].[counter] = @p,
    [s].[last_used_at] = @p3
FROM [second_factors] AS [s]
WHERE [s].[id] = @id AND [s].[counter] < @counter

UPDATE [s]
SET [s].[data] = @p
FROM [second_factors] AS [s]
WHERE [s].[id] = @id AND [s].[account_id] = @accountId AND [s].[kind] <> N'totp' AND [s].[kind] <> N'passkey' AND [s].[data] <> @data

UPDATE [s]
SET [s].[data] = @p
FROM [second_factors] AS [s]
WHERE [s].[id] = @moved_Id AND [s].[data] = N''

UPDATE [s]
SET [s].[data] = @p
FROM [second_factors] AS [s]
WHERE [s].[id] = @waiting_Id AND [s].[data] = @waiting_Value AND EXISTS (
    SELECT 1
    FROM [store_values] AS [s0]
    WHERE [s0].[name] = N'credentials_home' AND [s0].[value] = N'mongodb')

UPDATE [s]
SET [s].[ended_at] = @p
FROM [sessions] AS [s]
WHERE [s].[id] = @id AND [s].[ended_at] IS NULL

UPDATE [s]
SET [s].[ended_at] = @p
FROM [sessions] AS [s]
WHERE [s].[id] = @id AND [s].[ended_at] IS NULL AND [s].[expires_at] <= @now

UPDATE [s]
SET [s].[ended_at] = @p
FROM [sessions] AS [s]
WHERE [s].[id] = @ids1 AND [s].[ended_at] IS NULL

UPDATE [s]
SET [s].[last_seen_at] = @p
FROM [sessions] AS [s]
WHERE [s].[id] = @id AND [s].[ended_at] IS NULL AND [s].[last_seen_at] < @now

UPDATE [s]
SET [s].[last_used_at] = @p
FROM [second_factors] AS [s]
WHERE [s].[id] = @id

UPDATE [s]
SET [s].[name] = @p
FROM [second_factors] AS [s]
WHERE [s].[id] = @id AND [s].[account_id] = @accountId

UPDATE [s]
SET [s].[retires_at] = @p
FROM [signing_keys] AS [s]
WHERE [s].[kid] = @kid

UPDATE authorizations SET generation = @p0, rotated_at = CASE WHEN SYSDATETIMEOFFSET() <= @p1 THEN @p1 WHEN SYSDATETIMEOFFSET() > DATEADD(second, 30, @p1) THEN DATEADD(second, 30, @p1) ELSE SYSDATETIMEOFFSET() END WHERE id = @p2 AND generation = @p3 AND revoked_at IS NULL AND expires_at > @p1
