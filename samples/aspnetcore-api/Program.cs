// An API behind access tokens (RFC 6750, RFC 9068): ISSUER and AUDIENCE say whose and for whom.
using System.Security.Claims;
using Microsoft.AspNetCore.Authentication.JwtBearer;

var builder = WebApplication.CreateBuilder(args);
var issuer = builder.Configuration["ISSUER"] ?? "http://localhost:8016";
var audience = builder.Configuration["AUDIENCE"] ?? "https://api.example.com/notes";

builder.Services.AddAuthentication(JwtBearerDefaults.AuthenticationScheme).AddJwtBearer(options =>
{
    options.Authority = issuer;
    options.Audience = audience;
    options.MapInboundClaims = false;
    options.RequireHttpsMetadata = !new Uri(issuer).IsLoopback;   // https everywhere but against a server on this machine
    options.TokenValidationParameters.ValidTypes = ["at+jwt"];   // an ID token is not an access token
    options.TokenValidationParameters.ValidAlgorithms = ["ES256"];
    options.TokenValidationParameters.IgnoreTrailingSlashWhenValidatingAudience = false;   // an audience is compared as it is
    options.TokenValidationParameters.NameClaimType = "sub";
    options.TokenValidationParameters.RoleClaimType = "roles";
    options.TokenValidationParameters.ClockSkew = TimeSpan.FromSeconds(30);
    options.Events = new JwtBearerEvents
    {
        OnTokenValidated = context =>
        {
            // RFC 9068 §2.2: no access token is without it.
            if (context.Principal?.FindFirst("client_id") is null)
            {
                context.Fail("client_id is missing.");
            }

            return Task.CompletedTask;
        },
        OnForbidden = context =>
        {
            context.Response.Headers.WWWAuthenticate = "Bearer error=\"insufficient_scope\"";
            return Task.CompletedTask;
        },
    };
});
builder.Services.AddAuthorizationBuilder()
    .AddPolicy("notes.read", policy => policy.RequireAssertion(context => HasScope(context.User, "notes.read")))
    .AddPolicy("notes.write", policy => policy.RequireAssertion(context => HasScope(context.User, "notes.write")));

var app = builder.Build();
app.MapGet("/notes", (ClaimsPrincipal caller) => new { notes = new[] { "buy milk" }, caller = caller.FindFirstValue("sub") }).RequireAuthorization("notes.read");
app.MapPost("/notes", () => Results.Created("/notes/1", new { id = 1 })).RequireAuthorization("notes.write");
app.Run();

// RFC 9068 §2.2.3: one claim, space-delimited.
static bool HasScope(ClaimsPrincipal caller, string scope) =>
    caller.FindFirstValue("scope")?.Split(' ').Contains(scope, StringComparer.Ordinal) == true;
