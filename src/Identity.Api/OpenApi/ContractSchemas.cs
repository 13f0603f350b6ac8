// OpenAPI 3.1 §4.8.24 (schemas): what real answers have and take, where the types alone would say something else.
using System.Reflection;
using System.Text.Json.Nodes;
using Identity.Api.Contracts;
using Identity.Api.Failures;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace Identity.Api.OpenApi;

/// <summary>The schemas that the types of the contract do not give by themselves.</summary>
internal sealed class ContractSchemas : IOpenApiSchemaTransformer
{
    public const string Failure = nameof(Failure);

    /// <summary>JSON that holds what its owner likes.</summary>
    public static bool IsFree(Type type) => typeof(JsonNode).IsAssignableFrom(type);

    public Task TransformAsync(OpenApiSchema schema, OpenApiSchemaTransformerContext context, CancellationToken cancellationToken)
    {
        var type = context.JsonTypeInfo.Type;
        if (IsFree(type))
        {
            schema.Type = schema.Type is { } kinds && kinds.HasFlag(JsonSchemaType.Null) ? JsonSchemaType.Object | JsonSchemaType.Null : JsonSchemaType.Object;
            schema.AdditionalProperties = new OpenApiSchema();
        }
        else if (type == typeof(VerifiedAndSignedInResponse))
        {
            // What most codes are answered with.
            schema.Required = new HashSet<string>(StringComparer.Ordinal) { "verified" };
        }
        else if (type == typeof(PersonalDataResponse))
        {
            schema.AdditionalProperties = new OpenApiSchema();
        }

        return Task.CompletedTask;
    }

    /// <summary>Every failure, as <see cref="Failures.Failure"/> writes it.</summary>
    public static OpenApiSchema OfFailure() => new()
    {
        Type = JsonSchemaType.Object,
        Description = "Every failure of every route.",
        Required = new HashSet<string>(StringComparer.Ordinal) { "statusCode", "message", "error", "errorCode" },
        Properties = new Dictionary<string, IOpenApiSchema>(StringComparer.Ordinal)
        {
            ["statusCode"] = new OpenApiSchema { Type = JsonSchemaType.Integer, Format = "int32", Description = "The HTTP status." },

            // Either a text or an array of texts, and so of no type here: generators of clients take one of the two, and their clients then fail at the other.
            ["message"] = new OpenApiSchema { Description = "A text for developers. With errorCode validation_failed an array of texts, one per problem." },
            ["error"] = new OpenApiSchema { Type = JsonSchemaType.String, Description = "The HTTP reason phrase." },
            ["errorCode"] = new OpenApiSchema { Type = JsonSchemaType.String, Description = "What to branch on: " + string.Join(", ", Codes) + "." },
            ["traceId"] = new OpenApiSchema { Type = JsonSchemaType.String, Description = "With status 500: what finds the fault in the server's logs." },
            ["mfaToken"] = new OpenApiSchema { Type = JsonSchemaType.String, Description = "With errorCode mfa_required: for the second step of the sign-in." },
            ["methods"] = new OpenApiSchema { Type = JsonSchemaType.Array, Items = new OpenApiSchema { Type = JsonSchemaType.String }, Description = "With errorCode mfa_required: the factors that the person has." },
            ["enrol"] = new OpenApiSchema { Type = JsonSchemaType.Array, Items = new OpenApiSchema { Type = JsonSchemaType.String }, Description = "With errorCode mfa_required, where the person has no factor and must have one: what login/enrol takes." },
        },
    };

    /// <summary>OpenAPI 3.0 §4.7.24: there is no type null but a word beside a type, and generators of its time know a reference that may be null by allOf.</summary>
    public static void WordNullFor30(OpenApiDocument document)
    {
        foreach (var members in document.Components!.Schemas!.Values.Select(schema => schema.Properties).OfType<IDictionary<string, IOpenApiSchema>>())
        {
            foreach (var (name, member) in members.ToArray())
            {
                if (member.OneOf?.OfType<OpenApiSchemaReference>().SingleOrDefault() is { } reference)
                {
                    members[name] = new OpenApiSchema { Type = JsonSchemaType.Object | JsonSchemaType.Null, AllOf = [reference], Description = member.Description };
                }
            }
        }
    }

    private static IEnumerable<string> Codes => typeof(ErrorCodes).GetFields(BindingFlags.Public | BindingFlags.Static)
        .Where(code => code.IsLiteral).Select(code => (string)code.GetRawConstantValue()!).Order(StringComparer.Ordinal);
}
