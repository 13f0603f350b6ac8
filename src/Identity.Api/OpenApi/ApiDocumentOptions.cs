namespace Identity.Api.OpenApi;

/// <summary>Whether the host shows what the API is like, and where.</summary>
public sealed class ApiDocumentOptions
{
    public const string OpenApiPath = "/openapi/v1.json";

    /// <summary>The same in OpenAPI 3.0, for generators that do not read 3.1 yet.</summary>
    public const string OpenApi30Path = "/openapi/v1-3.0.json";
    public const string AsyncApiPath = "/asyncapi/v1.yaml";
    public const string DocsPath = "/docs";

    /// <summary>Closed by default: whoever runs the service decides who reads how it is built.</summary>
    public bool AreOpen { get; set; }
}
