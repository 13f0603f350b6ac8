namespace Identity.Api.Failures;

/// <summary>Every <c>errorCode</c> of /api/identity. Callers branch on them: one is added, never renamed.</summary>
public static class ErrorCodes
{
    // 400
    /// <summary>The body is not JSON, or not text that can be kept.</summary>
    public const string InvalidJson = "invalid_json";
    /// <summary><c>message</c> is an array: one line per problem.</summary>
    public const string ValidationFailed = "validation_failed";
    public const string InvalidRequest = "invalid_request";
    /// <summary>Wrong, expired, used and exhausted codes alike.</summary>
    public const string OtpInvalid = "otp_invalid";
    public const string InvalidCurrentPassword = "invalid_current_password";
    public const string ChannelUnavailable = "channel_unavailable";
    /// <summary>Where a proof is asked of somebody who is signed in: a wrong, used or expired code or passkey answer.</summary>
    public const string MfaInvalid = "mfa_invalid";

    // 401
    /// <summary>No access token was sent.</summary>
    public const string Unauthorized = "unauthorized";
    /// <summary>An access token was sent and is worth nothing here.</summary>
    public const string InvalidToken = "invalid_token";
    /// <summary>Unknown user, wrong password, disabled and locked alike.</summary>
    public const string InvalidCredentials = "invalid_credentials";
    public const string InvalidRefreshToken = "invalid_refresh_token";
    /// <summary>The password was right and a second factor is due: <c>mfaToken</c> and <c>methods</c> stand beside it.</summary>
    public const string MfaRequired = "mfa_required";
    /// <summary>The second step was wrong; the mfaToken is still good.</summary>
    public const string InvalidMfaCode = "invalid_mfa_code";
    /// <summary>The mfaToken is over, used, or made worthless by a change of the account: sign in anew.</summary>
    public const string InvalidMfaToken = "invalid_mfa_token";
    /// <summary>The second step by push: nobody has answered on a device yet; the mfaToken is still good. 400 for a proof.</summary>
    public const string PushPending = "push_pending";
    /// <summary>Somebody said no on a device, or picked a wrong number: it may be asked again, after a while. 400 for a proof.</summary>
    public const string PushDenied = "push_denied";
    /// <summary>No device was asked, or none answered in time. 400 for a proof.</summary>
    public const string PushExpired = "push_expired";
    /// <summary>Invalid, expired, signed out, of another realm, or of a disabled account alike.</summary>
    public const string InvalidSsoToken = "invalid_sso_token";

    // 403
    /// <summary>Told only to who knew the password.</summary>
    public const string EmailNotVerified = "email_not_verified";
    /// <summary>Neither the current password nor a sign-in of the last minutes came with what needs it.</summary>
    public const string ReauthenticationRequired = "reauthentication_required";
    /// <summary>OpenAM vouches for somebody who has no account here, or whose account has yet to be connected by its owner.</summary>
    public const string AccountNotLinked = "account_not_linked";
    public const string Forbidden = "forbidden";
    /// <summary>Unknown device, device without a key, another key's signature, and one over something else alike.</summary>
    public const string InvalidSignature = "invalid_signature";
    /// <summary>A yes instead of a password needs finger, face or PIN at the device.</summary>
    public const string UserVerificationRequired = "user_verification_required";
    public const string InsufficientScope = "insufficient_scope";

    // 404, 405
    public const string NotFound = "not_found";
    public const string UserNotFound = "user_not_found";
    public const string RoleNotFound = "role_not_found";
    public const string ImportNotFound = "import_not_found";
    /// <summary>There is none, or its hour is over.</summary>
    public const string ExportNotFound = "export_not_found";
    public const string DeviceNotFound = "device_not_found";
    public const string SignInNotFound = "sign_in_not_found";
    public const string MethodNotAllowed = "method_not_allowed";
    public const string NotAcceptable = "not_acceptable";

    // 409, 412
    public const string EmailTaken = "email_taken";
    public const string UsernameTaken = "username_taken";
    public const string PhoneNumberTaken = "phone_number_taken";
    /// <summary>The file of an export that is not done, or failed.</summary>
    public const string ExportNotReady = "export_not_ready";
    public const string RoleInUse = "role_in_use";
    /// <summary>Answered before on a device, or too late.</summary>
    public const string SignInOver = "sign_in_over";
    /// <summary>Not the number that the sign-in shows: it is over.</summary>
    public const string WrongNumber = "wrong_number";
    public const string LastAdmin = "last_admin";
    /// <summary>A request with the same Idempotency-Key is being answered.</summary>
    public const string RequestInProgress = "request_in_progress";
    /// <summary>422: the Idempotency-Key came before, with another request.</summary>
    public const string IdempotencyKeyReused = "idempotency_key_reused";
    public const string FactorExists = "factor_exists";
    /// <summary>Another change of the same user came first and no If-Match was sent.</summary>
    public const string Conflict = "conflict";
    public const string PreconditionFailed = "precondition_failed";

    // 413, 415, 429
    public const string BodyTooLarge = "body_too_large";
    public const string UnsupportedMediaType = "unsupported_media_type";
    public const string TooManyRequests = "too_many_requests";

    // 5xx
    public const string InternalError = "internal_error";
    /// <summary>502: MEDIA_SERVICE_URL did not answer with a file.</summary>
    public const string MediaServiceFailed = "media_service_failed";
    public const string ServiceUnavailable = "service_unavailable";
}
