// RFC 8259 (JSON), RFC 7493 (I-JSON): what is ambiguous to one parser or another is refused.
using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;
using Identity.Accounts;
using Identity.Accounts.Passwords;
using Identity.Api.Contracts;
using Identity.Api.Failures;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc.Formatters;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Net.Http.Headers;

namespace Identity.Api.Json;

/// <summary>
/// Reads the bodies of /api/identity: UTF-8 JSON objects of at most 64 KB, without repeated members, unpaired surrogates and NUL,
/// which databases and other parsers take differently.
/// </summary>
internal sealed class ContractInputFormatter : InputFormatter
{
    public const int MaximumBytes = 64 * 1024;

    private const int MaximumDepth = 32;

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = MaximumDepth };

    private static readonly Dictionary<Type, Func<JsonBody, object>> Readers = new()
    {
        [typeof(RegisterRequest)] = RegisterRequest.Read,
        [typeof(LoginRequest)] = LoginRequest.Read,
        [typeof(FactorCodeRequest)] = FactorCodeRequest.Read,
        [typeof(PasskeyChallengeRequest)] = PasskeyChallengeRequest.Read,
        [typeof(EnrolRequest)] = EnrolRequest.Read,
        [typeof(FactorProofRequest)] = FactorProofRequest.Read,
        [typeof(ConfirmTotpRequest)] = ConfirmTotpRequest.Read,
        [typeof(AddPasskeyRequest)] = AddPasskeyRequest.Read,
        [typeof(RenameFactorRequest)] = RenameFactorRequest.Read,
        [typeof(RefreshTokenRequest)] = RefreshTokenRequest.Read,
        [typeof(LogoutRequest)] = LogoutRequest.Read,
        [typeof(SsoRequest)] = SsoRequest.Read,
        [typeof(GenerateOtpRequest)] = GenerateOtpRequest.Read,
        [typeof(VerifyOtpRequest)] = VerifyOtpRequest.Read,
        [typeof(UpdateUserRequest)] = UpdateUserRequest.Read,
        [typeof(ChangePasswordRequest)] = ChangePasswordRequest.Read,
        [typeof(ForgotPasswordRequest)] = ForgotPasswordRequest.Read,
        [typeof(ResetPasswordRequest)] = ResetPasswordRequest.Read,
        [typeof(CreateUserRequest)] = CreateUserRequest.Read,
        [typeof(SetPasswordRequest)] = SetPasswordRequest.Read,
        [typeof(DeleteUserRequest)] = DeleteUserRequest.Read,
        [typeof(PutRoleRequest)] = PutRoleRequest.Read,
        [typeof(PushLoginRequest)] = PushLoginRequest.Read,
        [typeof(PushPreferenceRequest)] = PushPreferenceRequest.Read,
        [typeof(ApproveSignInRequest)] = ApproveSignInRequest.Read,
        [typeof(DenySignInRequest)] = DenySignInRequest.Read,
        [typeof(RegisterDeviceRequest)] = RegisterDeviceRequest.Read,
    };

    public ContractInputFormatter()
    {
        SupportedMediaTypes.Add("application/json");
        SupportedMediaTypes.Add("application/*+json");
    }

    /// <summary>Whatever its type: no other formatter of the host is to try its luck with these bodies.</summary>
    public override bool CanRead(InputFormatterContext context) => CanReadType(context.ModelType);

    public override async Task<InputFormatterResult> ReadRequestBodyAsync(InputFormatterContext context)
    {
        var http = context.HttpContext;
        var bytes = await ReadAsync(http);
        if (http.Request.Headers.ContainsKey(IdempotentPosts.Header))
        {
            http.Features.Set(new RequestDigest(Convert.ToHexString(SHA256.HashData(bytes.Span))));
        }

        if (bytes.Length == 0 && context.TreatEmptyInputAsDefaultValue)
        {
            // Nothing is of no type: what comes in pieces, as proxies send it on, is only now seen to be nothing.
            return await InputFormatterResult.SuccessAsync(null!);
        }

        if (!IsJson(http.Request.ContentType))
        {
            return Refuse(context, Failure.OfStatus(StatusCodes.Status415UnsupportedMediaType));
        }

        if (bytes.Length == 0)
        {
            return Refuse(context, Failure.EmptyBody());
        }

        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(bytes, Strict);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return Refuse(context, new Failure(StatusCodes.Status400BadRequest, ErrorCodes.InvalidJson, "The body is not valid JSON, nests deeper than 32 levels, or repeats a member."));
        }

        using (document)
        {
            // Generated clients send null for a body that they leave out.
            if (document.RootElement.ValueKind == JsonValueKind.Null && context.TreatEmptyInputAsDefaultValue)
            {
                return await InputFormatterResult.SuccessAsync(null!);
            }

            if (!IsText(document.RootElement))
            {
                return Refuse(context, new Failure(StatusCodes.Status400BadRequest, ErrorCodes.InvalidJson, "The body is not text in UTF-8, or holds a NUL character or an unpaired surrogate."));
            }

            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                return Refuse(context, Failure.Validation(["the body must be an object"]));
            }

            var body = new JsonBody(document.RootElement, http.RequestServices.GetRequiredService<PasswordPolicy>(), http.RequestServices.GetRequiredService<AccountRules>());
            var model = Readers[context.ModelType](body);
            return body.Problems.Count == 0 ? await InputFormatterResult.SuccessAsync(model) : Refuse(context, Failure.Validation(body.Problems));
        }
    }

    protected override bool CanReadType(Type type) => Readers.ContainsKey(type);

    internal static bool IsJson(string? contentType) =>
        MediaTypeHeaderValue.TryParse(contentType, out var type)
        && (type.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase) || (type.Type.Equals("application", StringComparison.OrdinalIgnoreCase) && type.Suffix.Equals("json", StringComparison.OrdinalIgnoreCase)))
        && (!type.Charset.HasValue || type.Charset.Value!.Trim('"').Equals("utf-8", StringComparison.OrdinalIgnoreCase));

    private static InputFormatterResult Refuse(InputFormatterContext context, Failure failure)
    {
        // Model state carries text only; the failure itself waits for the factory that answers an invalid model.
        context.HttpContext.Features.Set(failure);
        context.ModelState.AddModelError(context.ModelName, failure.Messages[0]);
        return InputFormatterResult.Failure();
    }

    private static async Task<ReadOnlyMemory<byte>> ReadAsync(HttpContext http)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        while (true)
        {
            var read = await http.Request.Body.ReadAsync(buffer.GetMemory(1024), http.RequestAborted);
            if (read == 0)
            {
                break;
            }

            buffer.Advance(read);
            if (buffer.WrittenCount > MaximumBytes)
            {
                throw new BadHttpRequestException("The body is too large.", StatusCodes.Status413PayloadTooLarge);
            }
        }

        // RFC 8259 §8.1: a byte order mark may be ignored, and old clients send one.
        var bytes = buffer.WrittenMemory;
        return bytes.Span.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]) ? bytes[3..] : bytes;
    }

    private static bool IsText(JsonElement element)
    {
        try
        {
            return element.ValueKind switch
            {
                JsonValueKind.String => !element.GetString()!.Contains('\0', StringComparison.Ordinal),
                JsonValueKind.Array => element.EnumerateArray().All(IsText),
                JsonValueKind.Object => element.EnumerateObject().All(member => !member.Name.Contains('\0', StringComparison.Ordinal) && IsText(member.Value)),
                _ => true,
            };
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }
}
