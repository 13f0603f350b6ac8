using System.Text.Json.Nodes;
using Identity.Api.Authentication;
using Identity.Api.Controllers;
using Identity.Api.Failures;
using Identity.Api.Json;
using Identity.Api.OpenApi;
using Identity.OAuth;
using Identity.OAuth.DPoP;
using Identity.OAuth.Resources;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Identity.Api;

/// <summary>Mounts /api/identity in a host.</summary>
public static class IdentityApiExtensions
{
    internal const string Prefix = "/api/identity";

    private static readonly string[] Documents = [ApiDocumentOptions.OpenApiPath, ApiDocumentOptions.OpenApi30Path, ApiDocumentOptions.AsyncApiPath];

    /// <summary>Adds the controllers. The host binds section <see cref="CompatibilityOptions.Section"/> and adds OAuth, Accounts and the stores.</summary>
    public static IServiceCollection AddIdentityApi(this IServiceCollection services)
    {
        services.AddOptions<CompatibilityOptions>().Validate(options => options.FindProblem() is null, "Compatibility:PostStatus: expected 200 or 201.").ValidateOnStart();
        services.AddControllers(options => options.InputFormatters.Insert(0, new ContractInputFormatter()))
            .AddApplicationPart(typeof(ContractController).Assembly)
            .ConfigureApiBehaviorOptions(options =>
            {
                options.SuppressMapClientErrors = true;
                options.InvalidModelStateResponseFactory = context => context.HttpContext.Features.Get<Failure>() ?? Unread(context.HttpContext);
            });

        // The document describes numbers as they are written: as numbers.
        services.ConfigureHttpJsonOptions(options => options.SerializerOptions.NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.Strict);
        services.AddAuthentication().AddScheme<AuthenticationSchemeOptions, AccessTokenHandler>(AccessTokenHandler.SchemeName, displayName: null, configureOptions: null);
        services.AddAuthorization();
        services.AddSingleton<UserAccess>();
        services.AddSingleton<RegistrationProof>();
        services.AddSingleton<TokenAnswers>();
        services.AddSingleton<RequireTokenRoute>();
        services.AddOpenIddict().AddServer(server => server.AddEventHandler(ContractAnswer.Descriptor));
        services.AddSingleton<IdempotentPosts>();
        return services;
    }

    /// <summary>
    /// Tells every failure under /api/identity in the contract's shape. Comes right after forwarded headers and before
    /// routing, authentication and whatever else can refuse a request or throw.
    /// </summary>
    public static IApplicationBuilder UseIdentityApi(this IApplicationBuilder app) =>
        app.UseWhen(context => IsForIdentityApi(context.Request), branch => branch.UseMiddleware<HeadMiddleware>().UseMiddleware<FailureMiddleware>().UseMiddleware<MessageLanguage>())
            .UseWhen(context => Documents.Any(path => context.Request.Path.Equals(path, StringComparison.OrdinalIgnoreCase)), branch => branch.UseMiddleware<HeadMiddleware>());

    /// <summary>Whether the request is one of those.</summary>
    public static bool IsForIdentityApi(HttpRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return request.Path.StartsWithSegments(Prefix, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>What the host refuses with 400 before the API sees it, in the contract's shape as well.</summary>
    public static Task RefuseAsync(HttpContext context, string message) => new Failure(StatusCodes.Status400BadRequest, ErrorCodes.InvalidRequest, message).WriteAsync(context);

    /// <summary>Maps the routes, and what RFC 9728 §3 has to say of them.</summary>
    public static void MapIdentityApi(this IEndpointRouteBuilder endpoints)
    {
        endpoints.MapControllers();
        var address = new Uri(ResourceCatalog.MetadataAddress(endpoints.ServiceProvider.GetRequiredService<ResourceCatalog>().Api.Identifier));
        endpoints.MapMethods(address.AbsolutePath, ["GET", "HEAD"], (ResourceCatalog resources, IOptions<OAuthOptions> options) => Results.Json(new JsonObject
        {
            ["resource"] = resources.Api.Identifier,
            ["resource_name"] = resources.Api.ResourceName,
            ["authorization_servers"] = new JsonArray(options.Value.Issuer),
            ["scopes_supported"] = new JsonArray([.. resources.Api.ScopesSupported.Select(scope => JsonValue.Create(scope))]),
            ["bearer_methods_supported"] = new JsonArray("header"),
            ["dpop_signing_alg_values_supported"] = new JsonArray([.. DPoPProof.Algorithms.Select(algorithm => JsonValue.Create(algorithm))]),
        })).ExcludeFromDescription();
    }

    // Only a body that was never read leads here: there is none, or MVC tried to read it as a form and gave up.
    private static Failure Unread(HttpContext context) =>
        context.Request.ContentType is { } type && !ContractInputFormatter.IsJson(type)
            ? Failure.OfStatus(StatusCodes.Status415UnsupportedMediaType)
            : Failure.EmptyBody();
}
