// Peers for bench/run.sh.
//   Peers bare  URL            OpenIddict's pipeline in degraded mode: nothing stored, one secret, a token
//   Peers stock URL POSTGRES   OpenIddict with EF Core on PostgreSQL, as its documentation sets it up
// Both know the client bench and hand out ES256 access tokens for the scope api; stock rotates refresh tokens.
using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using Microsoft.EntityFrameworkCore;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;

const string Family = "urn:bench:family";
var secret = Environment.GetEnvironmentVariable("BENCH_SECRET") ?? throw new InvalidOperationException("BENCH_SECRET: expected the client's secret.");
var hash = SHA256.HashData(Encoding.UTF8.GetBytes(secret));
var isStock = args[0] == "stock";
var builder = WebApplication.CreateBuilder();
builder.Logging.ClearProviders().AddConsole().SetMinimumLevel(LogLevel.Error);
builder.WebHost.UseUrls(args[1]);
var openiddict = builder.Services.AddOpenIddict();
if (isStock)
{
    builder.Services.AddDbContextPool<DbContext>(options => options.UseNpgsql(args[2]).UseOpenIddict());
    openiddict.AddCore(core => core.UseEntityFrameworkCore().UseDbContext<DbContext>());
}

using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
openiddict.AddServer(server =>
{
    server.SetTokenEndpointUris("connect/token").SetIntrospectionEndpointUris("connect/introspect");
    server.AllowClientCredentialsFlow().AllowRefreshTokenFlow().AllowCustomFlow(Family);
    server.AddSigningKey(new ECDsaSecurityKey(key) { KeyId = "bench" }).AddEphemeralEncryptionKey().DisableAccessTokenEncryption();
    server.RegisterScopes("api", Scopes.OfflineAccess);
    server.UseAspNetCore().DisableTransportSecurityRequirement();
    server.AddEventHandler<HandleTokenRequestContext>(handler => handler.UseInlineHandler(context =>
    {
        context.SignIn(Principal(context));
        return default;
    }));
    if (!isStock)
    {
        server.EnableDegradedMode();
        server.AddEventHandler<ValidateTokenRequestContext>(handler => handler.UseInlineHandler(context =>
        {
            if (context.ClientId != "bench" || !CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(context.ClientSecret ?? "")), hash))
            {
                context.Reject(Errors.InvalidClient);
            }

            return default;
        }));
        server.AddEventHandler<ValidateIntrospectionRequestContext>(handler => handler.UseInlineHandler(_ => default));
    }
});
var app = builder.Build();
if (isStock)
{
    using var scope = app.Services.CreateScope();
    await scope.ServiceProvider.GetRequiredService<DbContext>().Database.EnsureCreatedAsync();
    await scope.ServiceProvider.GetRequiredService<IOpenIddictApplicationManager>().CreateAsync(new OpenIddictApplicationDescriptor
    {
        ClientId = "bench",
        ClientSecret = secret,
        Permissions =
        {
            Permissions.Endpoints.Token, Permissions.Endpoints.Introspection, Permissions.GrantTypes.ClientCredentials, Permissions.GrantTypes.RefreshToken,
            Permissions.Prefixes.GrantType + Family, Permissions.Prefixes.Scope + "api",
        },
    });
}

app.UseAuthentication();
await app.RunAsync();

static ClaimsPrincipal Principal(HandleTokenRequestContext context)
{
    if (context.Request.IsRefreshTokenGrantType())
    {
        return context.Principal!.SetDestinations(static _ => [Destinations.AccessToken]);
    }

    var identity = new ClaimsIdentity(TokenValidationParameters.DefaultAuthenticationType, Claims.Name, Claims.Role);
    identity.SetClaim(Claims.Subject, context.Request.GrantType == Family ? Guid.NewGuid().ToString() : context.ClientId);
    identity.SetScopes(context.Request.GetScopes());
    identity.SetResources("urn:api");
    identity.SetDestinations(static _ => [Destinations.AccessToken]);
    return new ClaimsPrincipal(identity);
}
