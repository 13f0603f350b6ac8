using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.EntityFrameworkCore;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Abstractions;
using OpenIddict.Server.AspNetCore;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Peers;

/// <summary>
/// OpenIddict, with a PostgreSQL connection string as it comes, without one its bare pipeline. Both know the client bench and hand out ES256
/// access tokens for the scope api. Stock also rotates refresh tokens and serves the public client bench-app: people are who they say at /signin.
/// </summary>
internal static class OpenIddictPeer
{
    private const string Family = "urn:bench:family";

    public static async Task RunAsync(string url, string? postgres)
    {
        var secret = Environment.GetEnvironmentVariable("BENCH_SECRET") ?? throw new InvalidOperationException("BENCH_SECRET: expected the client's secret.");
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders().AddConsole().SetMinimumLevel(LogLevel.Error);
        builder.WebHost.UseUrls(url);
        var openiddict = builder.Services.AddOpenIddict();
        if (postgres is not null)
        {
            builder.Services.AddAuthentication(CookieAuthenticationDefaults.AuthenticationScheme).AddCookie(options => options.LoginPath = "/signin");
            builder.Services.AddDbContextPool<DbContext>(options => options.UseNpgsql(postgres).UseOpenIddict());
            openiddict.AddCore(core => core.UseEntityFrameworkCore().UseDbContext<DbContext>());
        }

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        openiddict.AddServer(server =>
        {
            server.SetTokenEndpointUris("connect/token").SetIntrospectionEndpointUris("connect/introspect");
            server.AllowClientCredentialsFlow().AllowRefreshTokenFlow().AllowCustomFlow(Family);
            server.AddSigningKey(new ECDsaSecurityKey(key) { KeyId = "bench" }).AddEphemeralEncryptionKey().DisableAccessTokenEncryption();
            server.RegisterScopes("api", Scopes.OpenId, Scopes.OfflineAccess);
            var host = server.UseAspNetCore().DisableTransportSecurityRequirement();
            server.AddEventHandler<HandleTokenRequestContext>(handler => handler.UseInlineHandler(context =>
            {
                context.SignIn(Principal(context));
                return default;
            }));
            if (postgres is not null)
            {
                server.SetAuthorizationEndpointUris("connect/authorize").SetUserInfoEndpointUris("connect/userinfo").AllowAuthorizationCodeFlow();
                host.EnableAuthorizationEndpointPassthrough();
            }
            else
            {
                Bare(server, SHA256.HashData(Encoding.UTF8.GetBytes(secret)));
            }
        });
        var app = builder.Build();
        app.UseAuthentication();
        if (postgres is not null)
        {
            await CreateClientsAsync(app.Services, secret);
            app.MapGet("/signin", (string user) => Results.SignIn(new(new ClaimsIdentity([new(Claims.Subject, user)], "cookie")), authenticationScheme: CookieAuthenticationDefaults.AuthenticationScheme));
            app.MapGet("/connect/authorize", Authorize);
        }

        await app.RunAsync();
    }

    private static void Bare(OpenIddictServerBuilder server, byte[] hash)
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

    private static async Task CreateClientsAsync(IServiceProvider services, string secret)
    {
        using var scope = services.CreateScope();
        await scope.ServiceProvider.GetRequiredService<DbContext>().Database.EnsureCreatedAsync();
        var applications = scope.ServiceProvider.GetRequiredService<IOpenIddictApplicationManager>();
        await applications.CreateAsync(new OpenIddictApplicationDescriptor
        {
            ClientId = "bench",
            ClientSecret = secret,
            Permissions =
            {
                Permissions.Endpoints.Token, Permissions.Endpoints.Introspection, Permissions.GrantTypes.ClientCredentials, Permissions.GrantTypes.RefreshToken,
                Permissions.Prefixes.GrantType + Family, Permissions.Prefixes.Scope + "api",
            },
        });
        await applications.CreateAsync(new OpenIddictApplicationDescriptor
        {
            ClientId = "bench-app",
            ClientType = ClientTypes.Public,
            RedirectUris = { new("https://app.example.com/callback") },
            Permissions = { Permissions.Endpoints.Authorization, Permissions.Endpoints.Token, Permissions.GrantTypes.AuthorizationCode, Permissions.GrantTypes.RefreshToken, Permissions.ResponseTypes.Code },
            Requirements = { Requirements.Features.ProofKeyForCodeExchange },
        });
    }

    private static IResult Authorize(HttpContext context)
    {
        if (context.User.FindFirst(Claims.Subject) is not { } subject)
        {
            return Results.Challenge(authenticationSchemes: [CookieAuthenticationDefaults.AuthenticationScheme]);
        }

        var identity = new ClaimsIdentity(TokenValidationParameters.DefaultAuthenticationType, Claims.Name, Claims.Role);
        identity.SetClaim(Claims.Subject, subject.Value);
        identity.SetScopes(context.GetOpenIddictServerRequest()!.GetScopes());
        return Results.SignIn(new(identity), authenticationScheme: OpenIddictServerAspNetCoreDefaults.AuthenticationScheme);
    }

    private static ClaimsPrincipal Principal(HandleTokenRequestContext context)
    {
        if (context.Request.IsRefreshTokenGrantType() || context.Request.IsAuthorizationCodeGrantType())
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
}
