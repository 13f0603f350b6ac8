// OpenAPI 3.1 §4.8.10 (operations), §4.8.27 (security schemes): the routes of /api/identity with examples and failures.
using System.Globalization;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Api.Authentication;
using Identity.Api.Contracts;
using Identity.Api.Controllers;
using Identity.Api.Failures;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc.Controllers;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.OpenApi;

namespace Identity.Api.OpenApi;

/// <summary>Describes the routes in the host's OpenAPI document.</summary>
public static class OpenApiOptionsExtensions
{
    internal const string SecurityScheme = "accessToken";

    public static OpenApiOptions AddIdentityApi(this OpenApiOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.CreateSchemaReferenceId = type => ContractSchemas.IsFree(type.Type) ? null : OpenApiOptions.CreateDefaultSchemaReferenceId(type);
        options.AddSchemaTransformer<ContractSchemas>();
        options.AddDocumentTransformer((document, context, _) =>
        {
            document.Info.Title = "Identity API";
            document.Info.Description = Introduction;
            document.Info.License = new OpenApiLicense { Name = "As the operator of this server says" };
            document.Tags = new HashSet<OpenApiTag>(Tags.Select(tag => new OpenApiTag { Name = tag.Name, Description = tag.Description }));
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes ??= new Dictionary<string, IOpenApiSecurityScheme>(StringComparer.Ordinal);
            document.Components.SecuritySchemes[SecurityScheme] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http,
                Scheme = "bearer",
                BearerFormat = "JWT",
                Description = "The accessToken of /api/identity/login, or a token of /connect/token for this API.",
            };
            document.Components.Schemas ??= new Dictionary<string, IOpenApiSchema>(StringComparer.Ordinal);
            document.Components.Schemas[ContractSchemas.Failure] = ContractSchemas.OfFailure();
            if (options.OpenApiVersion == OpenApiSpecVersion.OpenApi3_0)
            {
                ContractSchemas.WordNullFor30(document);
            }

            return Task.CompletedTask;
        });
        return options.AddOperationTransformer<IdentityApiOperationTransformer>();
    }

    private const string Introduction = """
        Accounts, sign-in, one-time codes, second factors and devices, as JSON. Applications that speak OpenID Connect need none of it: they find their way by /.well-known/openid-configuration.

        Every failure has one shape, Failure. Branch on errorCode, show message to developers, and give people words of your own. Unknown members of a body are ignored, and answers may gain members.
        """;

    private static readonly (string Name, string Description)[] Tags =
    [
        ("Service", "What answers here, and where it is described."),
        ("Accounts", "Registering."),
        ("Sign-in", "Tokens for people, by password, passkey, second factor or a session of OpenAM."),
        ("Passwords", "Changing one, and the way back in where it is forgotten."),
        ("One-time codes", "Codes by mail, SMS or push that prove an address or number."),
        ("Second factors", "Authenticator apps, passkeys, codes, a yes on a device, recovery codes and the browsers that are remembered."),
        ("Users", "People's own accounts and data."),
        ("Devices", "Devices for push messages, and the sign-ins that they approve."),
        ("Administration", "Accounts and roles of others, for administrators and services."),
    ];
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
        [typeof(VerifiedAndSignedInResponse)] = JsonNode.Parse("""{"verified":true}""")!,
        [typeof(ServiceResponse)] = JsonNode.Parse("""{"name":"Identity","version":"1.0.0","issuer":"https://id.example.com","openIdConfiguration":"https://id.example.com/.well-known/openid-configuration","openApi":"https://id.example.com/openapi/v1.json","asyncApi":"https://id.example.com/asyncapi/v1.yaml","docs":"https://id.example.com/docs"}""")!,
        [typeof(UsersResponse)] = new JsonObject { ["items"] = new JsonArray(User.DeepClone()), ["nextCursor"] = "AZjypGwefTqcVT8fGis8TQ" },
        [typeof(RolesResponse)] = JsonNode.Parse("""{"items":[{"name":"admin","description":"Administrators of this service","createdAt":null},{"name":"editor","description":"May publish articles","createdAt":"2026-01-02T03:04:05.678Z"}]}""")!,
        [typeof(ImportResponse)] = JsonNode.Parse("""{"id":"0198f2a4-6c1e-7d3a-9c55-3f1f1a2b3c4d","state":"running","lines":100000,"processed":42000,"created":41997,"existing":1,"refused":2,"createdAt":"2026-01-02T03:04:05.678Z","finishedAt":null}""")!,
        [typeof(ImportRefusalsResponse)] = JsonNode.Parse("""{"items":[{"line":17,"reasons":["email must be an email"]}],"nextCursor":null}""")!,
        [typeof(ExportResponse)] = JsonNode.Parse("""{"id":"0198f2a4-6c1e-7d3a-9c55-3f1f1a2b3c4d","state":"done","format":"xlsx","total":100000,"processed":100000,"createdAt":"2026-01-02T03:04:05.678Z","finishedAt":"2026-01-02T03:04:15.678Z","fileUrl":"/api/identity/exports/0198f2a4-6c1e-7d3a-9c55-3f1f1a2b3c4d/file","expiresAt":"2026-01-02T04:04:15.678Z"}""")!,
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
        [typeof(FactorsResponse)] = JsonNode.Parse("""{"factors":[{"id":"0198f2a4-6c1e-7d3a-9c55-3f1f1a2b3c4d","type":"passkey","name":"Laptop","createdAt":"2026-01-02T03:04:05.678Z","lastUsedAt":null,"withoutPassword":null}],"recoveryCodesLeft":10,"rememberedBrowsers":[{"id":"0198f2a4-6c1e-7d3a-9c55-3f1f1a2b3c4e","userAgent":"Mozilla/5.0","ip":"203.0.113.7","createdAt":"2026-01-02T03:04:05.678Z","lastUsedAt":"2026-01-02T03:04:05.678Z","expiresAt":"2026-02-01T03:04:05.678Z"}]}""")!,
        [typeof(TotpEnrolmentResponse)] = JsonNode.Parse("""{"enrolmentToken":"CfDJ8…","secret":"JBSWY3DPEHPK3PXP","uri":"otpauth://totp/Identity:ada%40example.com?secret=JBSWY3DPEHPK3PXP&issuer=Identity&algorithm=SHA1&digits=6&period=30","qrSvg":"<svg xmlns=\"http://www.w3.org/2000/svg\"/>","expiresIn":300}""")!,
        [typeof(FactorAddedResponse)] = JsonNode.Parse("""{"factor":{"id":"0198f2a4-6c1e-7d3a-9c55-3f1f1a2b3c4d","type":"totp","name":null,"createdAt":"2026-01-02T03:04:05.678Z","lastUsedAt":null,"withoutPassword":null},"recoveryCodes":["3kq9w-2xh7c","…"]}""")!,
        [typeof(PushPromptResponse)] = JsonNode.Parse("""{"number":"57","expiresAt":"2026-01-02T03:05:05.678Z","expiresIn":60,"interval":2}""")!,
        [typeof(IReadOnlyList<PendingSignInResponse>)] = JsonNode.Parse("""[{"id":"0198f2a4-6c1e-7d3a-9c55-3f1f1a2b3c4d","app":"Atlas","ip":"203.0.113.7","userAgent":"Mozilla/5.0","numbers":["18","57","93"],"nonce":"u7gO0d0mZ3q3J8n6w5rYkqv1b2c3d4e5f6g7h8i9j0k","needsUserVerification":false,"createdAt":"2026-01-02T03:04:05.678Z","expiresAt":"2026-01-02T03:05:05.678Z"}]""")!,
        [typeof(PasskeyChallengeResponse)] = JsonNode.Parse("""{"passkeyToken":"CfDJ8…","publicKey":{"challenge":"q83vASNFZ4k","timeout":300000,"rpId":"id.example.com","userVerification":"required","allowCredentials":[]}}""")!,
    };

    public Task TransformAsync(OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancellationToken)
    {
        if (context.Description.ActionDescriptor is not ControllerActionDescriptor action || !typeof(ContractController).IsAssignableFrom(action.ControllerTypeInfo))
        {
            return Task.CompletedTask;
        }

        if (action.EndpointMetadata.OfType<RequestExampleAttribute>().FirstOrDefault() is { } request && operation.RequestBody?.Content?.TryGetValue(Json, out var body) == true)
        {
            // application/json is what is read; MVC lists the kinds of it that it would read too.
            operation.RequestBody = new OpenApiRequestBody { Required = operation.RequestBody.Required, Description = operation.RequestBody.Description, Content = new Dictionary<string, OpenApiMediaType>(StringComparer.Ordinal) { [Json] = body } };
            body.Example = JsonNode.Parse(request.Json);

            // A body that may be missing is one that is not required, and not a null that is sent.
            body.Schema = body.Schema?.OneOf?.OfType<OpenApiSchemaReference>().SingleOrDefault() ?? body.Schema;
        }

        foreach (var success in context.Description.SupportedResponseTypes)
        {
            if (operation.Responses?.TryGetValue(success.StatusCode.ToString(CultureInfo.InvariantCulture), out var found) == true && found is OpenApiResponse response)
            {
                response.Description = Meaning(success.StatusCode);
                response.Headers = Headers(operation.OperationId!, success.StatusCode);
                if (success.Type is not null && Examples.TryGetValue(success.Type, out var example) && response.Content?.TryGetValue(Json, out var content) == true)
                {
                    content.Example = example.DeepClone();
                }
            }
        }

        // Compatibility:PostStatus: the document says what this server answers, and generated clients throw at what it does not say.
        var posted = context.ApplicationServices.GetRequiredService<IOptions<CompatibilityOptions>>().Value.PostStatus.ToString(CultureInfo.InvariantCulture);
        if (posted != "200" && HttpMethods.IsPost(context.Description.HttpMethod ?? "") && operation.Responses?.Remove("200", out var usual) == true)
        {
            operation.Responses[posted] = usual;
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

        var isIdempotent = action.EndpointMetadata.OfType<IdempotentAttribute>().Any();
        DescribeParameters(operation, context.Description.RelativePath!, isIdempotent);
        DescribeFailures(operation, action, context);
        if (action.EndpointMetadata.OfType<RawBodyAttribute>().FirstOrDefault() is { } raw)
        {
            operation.RequestBody = new OpenApiRequestBody
            {
                Required = true,
                Description = raw.Description,
                Content = new Dictionary<string, OpenApiMediaType>(StringComparer.Ordinal) { [raw.ContentType] = new() { Schema = new OpenApiSchema { Type = JsonSchemaType.String, Format = "binary" }, Example = JsonValue.Create(raw.Example) } },
            };
        }

        var token = new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(OpenApiOptionsExtensions.SecurityScheme, context.Document)] = [] };
        operation.Security = action.EndpointMetadata.OfType<IAuthorizeData>().Any(data => string.Equals(data.AuthenticationSchemes, AccessTokenHandler.SchemeName, StringComparison.Ordinal))
            ? [token]
            : operation.OperationId is "logout" or "verifyOtp" or "sendLoginCode" ? [token, []] : [[]];
        return Task.CompletedTask;
    }

    private static string Meaning(int statusCode) => statusCode switch
    {
        201 => "Made.",
        202 => "Received, and at work on it.",
        204 => "Done. There is nothing more to say.",
        _ => "Done.",
    };

    private static Dictionary<string, IOpenApiHeader>? Headers(string operation, int statusCode)
    {
        var headers = new Dictionary<string, IOpenApiHeader>(StringComparer.Ordinal);
        if (statusCode is 201 or 202)
        {
            headers["Location"] = Header("Where it is from now on.", new OpenApiSchema { Type = JsonSchemaType.String, Format = "uri-reference" });
        }

        if (operation is "getUser" or "getMe" or "updateUser" or "register" or "createUser")
        {
            headers["ETag"] = Header("The version of the user, for If-Match.", new OpenApiSchema { Type = JsonSchemaType.String });
        }

        return headers.Count == 0 ? null : headers;
    }

    private static OpenApiHeader Header(string description, OpenApiSchema schema) => new() { Description = description, Schema = schema };

    private static void DescribeParameters(OpenApiOperation operation, string path, bool isIdempotent)
    {
        foreach (var parameter in (operation.Parameters ?? []).OfType<OpenApiParameter>())
        {
            (parameter.Description, parameter.Schema) = parameter.Name switch
            {
                "id" => ("The id of the " + Owner(path) + ".", new OpenApiSchema { Type = JsonSchemaType.String, Format = "uuid" }),
                "name" => ("The name of the role.", new OpenApiSchema { Type = JsonSchemaType.String, MinLength = 1, MaxLength = AccountRules.LongestRole }),
                "deviceId" => ("The id of the device, as its registration was answered.", new OpenApiSchema { Type = JsonSchemaType.String, Format = "uuid" }),
                "time" => ("Seconds since 1970, at most two minutes off.", new OpenApiSchema { Type = JsonSchemaType.String, Pattern = "^[0-9]+$" }),
                "signature" => ("Of the device's key over the challenge.", new OpenApiSchema { Type = JsonSchemaType.String, MaxLength = DeviceSignature.Longest }),
                "search" => ("A piece of the e-mail address, user name, phone number, first or last name.", new OpenApiSchema { Type = JsonSchemaType.String, MaxLength = 254 }),
                "role" => ("Only who has this role.", new OpenApiSchema { Type = JsonSchemaType.String }),
                "format" => ("What kind of file.", new OpenApiSchema { Type = JsonSchemaType.String, Pattern = "^(xlsx|pdf|csv)$" }),
                "createdAfter" => ("Only who was registered after this day or time (ISO 8601; UTC unless it says otherwise).", new OpenApiSchema { Type = JsonSchemaType.String }),
                "isActive" => ("Only who may sign in, or only who may not.", new OpenApiSchema { Type = JsonSchemaType.Boolean }),
                "cursor" => ("The nextCursor of the page before.", new OpenApiSchema { Type = JsonSchemaType.String }),
                "limit" => ("How many at most.", operation.OperationId == "listUsers" ? Limit(200, 50) : Limit(1000, 100)),
                _ => (parameter.Description, parameter.Schema),
            };
        }

        if (operation.OperationId is "updateUser" or "deleteUser")
        {
            Add("If-Match", "The ETag of the version that was read.");
        }

        if (operation.OperationId is "exportUsers")
        {
            Add("Prefer", "respond-async: answer with a job instead of the file.");
        }

        if (isIdempotent)
        {
            Add(IdempotentPosts.Header, "A name of yours for this request, 1 to 255 characters (16 to 255 without an access token), best a UUID: sent again within a day it is not done twice, and answered as before.");
        }

        void Add(string name, string description) =>
            (operation.Parameters ??= []).Add(new OpenApiParameter { Name = name, In = ParameterLocation.Header, Description = description, Schema = new OpenApiSchema { Type = JsonSchemaType.String } });
    }

    private static OpenApiSchema Limit(int most, int usual) => new() { Type = JsonSchemaType.Integer, Format = "int32", Minimum = "1", Maximum = most.ToString(CultureInfo.InvariantCulture), Default = usual };

    private static string Owner(string path) => path switch
    {
        _ when path.Contains("/sign-ins/", StringComparison.Ordinal) => "sign-in",
        _ when path.Contains("/devices/", StringComparison.Ordinal) => "device",
        _ when path.Contains("/browsers/", StringComparison.Ordinal) => "remembered browser",
        _ when path.Contains("/factors/", StringComparison.Ordinal) => "factor",
        _ when path.Contains("/imports/", StringComparison.Ordinal) => "import",
        _ when path.Contains("/exports/", StringComparison.Ordinal) => "export",
        _ => "user",
    };

    private static void DescribeFailures(OpenApiOperation operation, ControllerActionDescriptor action, OpenApiOperationTransformerContext context)
    {
        var failures = action.EndpointMetadata.OfType<FailsAttribute>().Select(fails => fails.Failure).ToList();
        if (action.EndpointMetadata.OfType<IdempotentAttribute>().Any())
        {
            failures.Add(new Failure(StatusCodes.Status400BadRequest, ErrorCodes.InvalidRequest, IdempotentPosts.WrongKey));
            failures.Add(new Failure(StatusCodes.Status409Conflict, ErrorCodes.RequestInProgress, IdempotentPosts.InProgress));
            failures.Add(new Failure(StatusCodes.Status422UnprocessableEntity, ErrorCodes.IdempotencyKeyReused, IdempotentPosts.Reused));
        }

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
                Headers = group.Key is 429 or 503
                    ? new Dictionary<string, IOpenApiHeader>(StringComparer.Ordinal) { ["Retry-After"] = Header("Seconds to wait.", new OpenApiSchema { Type = JsonSchemaType.Integer, Format = "int32", Minimum = "1" }) }
                    : null,
                Content = new Dictionary<string, OpenApiMediaType>(StringComparer.Ordinal)
                {
                    [Json] = new()
                    {
                        Schema = new OpenApiSchemaReference(ContractSchemas.Failure, context.Document),
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
