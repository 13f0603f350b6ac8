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
        [typeof(SuccessResponse)] = JsonNode.Parse("""{"success":true}""")!,
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
