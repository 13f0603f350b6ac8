// OpenAPI 3.1 §4.8.10 (operations), §4.8.27 (security schemes): the routes of /api/identity with examples and failures.
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.Api.Authentication;
using Identity.Api.Contracts;
using Identity.Api.Controllers;
using Identity.Api.Failures;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc.Controllers;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.OpenApi;

namespace Identity.Api.OpenApi;

/// <summary>Describes the routes in the host's OpenAPI document.</summary>
public static class OpenApiOptionsExtensions
{
    internal const string SecurityScheme = "accessToken";

    public static OpenApiOptions AddIdentityApi(this OpenApiOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes ??= new Dictionary<string, IOpenApiSecurityScheme>(StringComparer.Ordinal);
            document.Components.SecuritySchemes[SecurityScheme] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http,
                Scheme = "bearer",
                BearerFormat = "JWT",
                Description = "The accessToken of /api/identity/login, or a token of /connect/token for this API.",
            };
            return Task.CompletedTask;
        });
        return options.AddOperationTransformer<IdentityApiOperationTransformer>();
    }
}

internal sealed class IdentityApiOperationTransformer : IOpenApiOperationTransformer
{
    private const string Json = "application/json";

    private static readonly JsonNode User = JsonNode.Parse("""
        {"id":"0198f2a4-6c1e-7d3a-9c55-3f1f1a2b3c4d","email":"ada@example.com","userName":"ada","phoneNumber":"+4915112345678","firstName":"Ada","lastName":"Lovelace",
        "emailVerified":true,"phoneNumberVerified":false,"isActive":true,"roles":[],"metadata":{"newsletter":true},
        "createdAt":"2026-01-02T03:04:05.678Z","updatedAt":"2026-01-02T03:04:05.678Z","lastLoginAt":"2026-01-03T09:00:00.000Z"}
        """)!;

    private static readonly JsonNode Device = JsonNode.Parse("""
        {"id":"0198f2a4-6c1e-7d3a-9c55-3f1f1a2b3c4e","platform":"ios","deviceId":"phone-1","appId":"com.example.app","environment":"production",
        "canApprove":false,"current":true,"createdAt":"2026-01-02T03:04:05.678Z","lastSeenAt":"2026-01-03T09:00:00.000Z"}
        """)!;

    private static readonly Dictionary<Type, JsonNode> Examples = new()
    {
        [typeof(UserResponse)] = User,
        [typeof(TokensResponse)] = new JsonObject
        {
            ["accessToken"] = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2ln",
            ["refreshToken"] = "AZqg8r5ycX6m1kQyGk3vJQAAAAFmY2hKk0l1c3RhbmV4YW1wbGVvZmFyZWZyZXNodG9r",
            ["tokenType"] = "Bearer",
            ["expiresIn"] = 3600,
            ["refreshExpiresIn"] = 604800,
            ["sessionId"] = "m0YxJ3mXw2r1bq7c9d4e5f",
            ["user"] = User.DeepClone(),
        },
        [typeof(OtpResponse)] = JsonNode.Parse("""{"otpId":"0198f2a4-6c1e-7d3a-9c55-3f1f1a2b3c4d","channel":"email","destination":"a***@example.com","expiresAt":"2026-01-02T03:09:05.678Z","expiresIn":300}""")!,
        [typeof(VerifiedResponse)] = JsonNode.Parse("""{"verified":true}""")!,
        [typeof(UsersResponse)] = new JsonObject { ["items"] = new JsonArray(User.DeepClone()), ["nextCursor"] = "AZjypGwefTqcVT8fGis8TQ" },
        [typeof(RolesResponse)] = JsonNode.Parse("""{"items":[{"name":"admin","description":"Administrators of this service","createdAt":null},{"name":"editor","description":"May publish articles","createdAt":"2026-01-02T03:04:05.678Z"}]}""")!,
        [typeof(ImportResponse)] = JsonNode.Parse("""{"id":"0198f2a4-6c1e-7d3a-9c55-3f1f1a2b3c4d","state":"running","lines":100000,"processed":42000,"created":41997,"existing":1,"refused":2,"createdAt":"2026-01-02T03:04:05.678Z","finishedAt":null}""")!,
        [typeof(ImportRefusalsResponse)] = JsonNode.Parse("""{"items":[{"line":17,"reasons":["email must be an email"]}],"nextCursor":null}""")!,
        [typeof(ExportResponse)] = JsonNode.Parse("""{"id":"0198f2a4-6c1e-7d3a-9c55-3f1f1a2b3c4d","state":"done","format":"xlsx","total":100000,"processed":100000,"createdAt":"2026-01-02T03:04:05.678Z","finishedAt":"2026-01-02T03:04:15.678Z","fileUrl":"/api/identity/users/export/0198f2a4-6c1e-7d3a-9c55-3f1f1a2b3c4d/file","expiresAt":"2026-01-02T04:04:15.678Z"}""")!,
        [typeof(PersonalDataResponse)] = new JsonObject
        {
            ["exportedAt"] = "2026-01-03T09:00:00.000Z",
            ["user"] = User.DeepClone(),
            ["metadata"] = new JsonObject { ["newsletter"] = true },
            ["password"] = new JsonObject { ["isSet"] = true, ["changedAt"] = "2026-01-02T03:04:05.678Z" },
            ["sessions"] = new JsonArray(),
            ["auditLog"] = new JsonArray(),
        },
        [typeof(DeviceResponse)] = Device,
        [typeof(IReadOnlyList<DeviceResponse>)] = new JsonArray(Device.DeepClone()),
        [typeof(SuccessResponse)] = JsonNode.Parse("""{"success":true}""")!,
        [typeof(FactorsResponse)] = JsonNode.Parse("""{"factors":[{"id":"0198f2a4-6c1e-7d3a-9c55-3f1f1a2b3c4d","type":"passkey","name":"Laptop","createdAt":"2026-01-02T03:04:05.678Z","lastUsedAt":null}],"recoveryCodesLeft":10,"rememberedBrowsers":[{"id":"0198f2a4-6c1e-7d3a-9c55-3f1f1a2b3c4e","userAgent":"Mozilla/5.0","ip":"203.0.113.7","createdAt":"2026-01-02T03:04:05.678Z","lastUsedAt":"2026-01-02T03:04:05.678Z","expiresAt":"2026-02-01T03:04:05.678Z"}]}""")!,
        [typeof(TotpEnrolmentResponse)] = JsonNode.Parse("""{"enrolmentToken":"CfDJ8…","secret":"JBSWY3DPEHPK3PXP","uri":"otpauth://totp/Identity:ada%40example.com?secret=JBSWY3DPEHPK3PXP&issuer=Identity&algorithm=SHA1&digits=6&period=30","qrSvg":"<svg xmlns=\"http://www.w3.org/2000/svg\"/>","expiresIn":300}""")!,
        [typeof(FactorAddedResponse)] = JsonNode.Parse("""{"factor":{"id":"0198f2a4-6c1e-7d3a-9c55-3f1f1a2b3c4d","type":"totp","name":null,"createdAt":"2026-01-02T03:04:05.678Z","lastUsedAt":null},"recoveryCodes":["3kq9w-2xh7c","…"]}""")!,
        [typeof(PasskeyChallengeResponse)] = JsonNode.Parse("""{"passkeyToken":"CfDJ8…","publicKey":{"challenge":"q83vASNFZ4k","timeout":300000,"rpId":"id.example.com","userVerification":"required","allowCredentials":[]}}""")!,
    };

    public async Task TransformAsync(OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancellationToken)
    {
        if (context.Description.ActionDescriptor is not ControllerActionDescriptor action || !typeof(ContractController).IsAssignableFrom(action.ControllerTypeInfo))
        {
            return;
        }

        if (action.EndpointMetadata.OfType<RequestExampleAttribute>().FirstOrDefault() is { } request && operation.RequestBody?.Content?.TryGetValue(Json, out var body) == true)
        {
            body.Example = JsonNode.Parse(request.Json);
        }

        foreach (var success in context.Description.SupportedResponseTypes)
        {
            if (success.Type is not null
                && Examples.TryGetValue(success.Type, out var example)
                && operation.Responses?.TryGetValue(success.StatusCode.ToString(CultureInfo.InvariantCulture), out var response) == true
                && response.Content?.TryGetValue(Json, out var content) == true)
            {
                content.Example = example.DeepClone();
            }
        }

        if (action.EndpointMetadata.OfType<SendsFileAttribute>().FirstOrDefault() is { } file)
        {
            operation.Responses ??= [];
            operation.Responses["200"] = new OpenApiResponse
            {
                Description = "OK",
                Content = file.MediaTypes.ToDictionary(type => type, _ => new OpenApiMediaType { Schema = new OpenApiSchema { Type = JsonSchemaType.String, Format = "binary" } }, StringComparer.Ordinal),
            };
        }

        await DescribeFailuresAsync(operation, action, context, cancellationToken);
        if (action.EndpointMetadata.OfType<IAuthorizeData>().Any(data => string.Equals(data.AuthenticationSchemes, AccessTokenHandler.SchemeName, StringComparison.Ordinal)))
        {
            operation.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(OpenApiOptionsExtensions.SecurityScheme, context.Document)] = [] }];
        }
    }

    private static async Task DescribeFailuresAsync(OpenApiOperation operation, ControllerActionDescriptor action, OpenApiOperationTransformerContext context, CancellationToken cancellationToken)
    {
        var failures = action.EndpointMetadata.OfType<FailsAttribute>().Select(fails => new Failure(fails.StatusCode, fails.ErrorCode, fails.Messages)).ToList();
        if (operation.RequestBody is not null)
        {
            failures.Add(Failure.OfStatus(StatusCodes.Status413PayloadTooLarge));
            failures.Add(Failure.OfStatus(StatusCodes.Status415UnsupportedMediaType));
        }

        failures.Add(Failure.OfStatus(StatusCodes.Status500InternalServerError) with { TraceId = "4bf92f3577b34da6a3ce929d0e0e4736" });
        failures.Add(Failure.OfStatus(StatusCodes.Status503ServiceUnavailable));
        operation.Responses ??= [];
        foreach (var group in failures.GroupBy(failure => failure.StatusCode))
        {
            operation.Responses[group.Key.ToString(CultureInfo.InvariantCulture)] = new OpenApiResponse
            {
                Description = ReasonPhrases.GetReasonPhrase(group.Key) + ": " + string.Join(", ", group.Select(failure => failure.ErrorCode).Distinct(StringComparer.Ordinal)),
                Content = new Dictionary<string, OpenApiMediaType>(StringComparer.Ordinal)
                {
                    [Json] = new()
                    {
                        Schema = await context.GetOrCreateSchemaAsync(typeof(FailureResponse), parameterDescription: null, cancellationToken),
                        Examples = group.DistinctBy(failure => failure.ErrorCode, StringComparer.Ordinal).ToDictionary(
                            failure => failure.ErrorCode,
                            IOpenApiExample (failure) => new OpenApiExample { Value = failure.ToJson() },
                            StringComparer.Ordinal),
                    },
                },
            };
        }
    }
}
