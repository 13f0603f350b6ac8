using System.Security.Cryptography.X509Certificates;
using Identity.Accounts;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Keys;
using Identity.Accounts.Export;
using Identity.Accounts.Profile;
using Identity.Accounts.Texts;
using Identity.Api;
using Identity.Api.OpenApi;
using Identity.OAuth;
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.OAuth.Keys;
using Identity.OAuth.Requests;
using Identity.OAuth.Sessions;
using Identity.OAuth.Storage;
using Identity.Server.Endpoints;
using Identity.Server.External;
using Identity.Server.Pages;
using Identity.Server.Pages.Branding;
using Identity.ServiceDefaults;
using Identity.ServiceDefaults.Settings;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Options;
using Microsoft.OpenApi;
using OpenIddict.Server.AspNetCore;

namespace Identity.Server.Hosting;

/// <summary>Builds and runs the server.</summary>
public static class ServerHost
{
    // Nobody looks at these with a session cookie, nor at the protocol's endpoints but its pages.
    private static readonly string[] MachinePaths =
    [
        "/api", "/health", "/metrics", "/.well-known", "/openapi", "/asyncapi", "/docs", "/css", "/js",
        SessionState.FramePath,
    ];

    /// <summary>The process's exit code. What the operator can mend ends the start with a line each, and code 1.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        IReadOnlyList<(string Setting, int Port)> ports = [];
        try
        {
            await using var app = Compose(args);
            ports = app.Services.GetRequiredService<ServerSettings>().Ports;
            var start = new StartLines(app.Services.GetRequiredService<ServerSettings>(), app.Services);
            await start.BeginAsync(Console.Out);
            CheckPorts(app.Services);
            var secrets = await InitializeAsync(app);
            return await HostRun.RunAsync(app, () => start.FinishAsync(Console.Out, secrets));
        }
        catch (Exception exception) when (StartProblem.Lines(exception) is { } lines)
        {
            await Console.Error.WriteLineAsync(lines);
        }
        catch (IOException taken) when (taken.InnerException is Microsoft.AspNetCore.Connections.AddressInUseException)
        {
            // Taken since it was looked at.
            await Console.Error.WriteLineAsync($"{ports.FirstOrDefault(one => taken.Message.Contains($":{one.Port}:", StringComparison.Ordinal)).Setting ?? "PORT"}: expected a free port: {taken.Message}");
        }

        return 1;
    }

    /// <summary>The server's services and middleware, without an endpoint: all that the command line needs. <see cref="InitializeAsync"/> maps the endpoints.</summary>
    /// <param name="args">Command line: settings as <c>--NAME value</c>.</param>
    /// <param name="configure">Last word on services and settings: tests put their clock in here.</param>
    public static WebApplication Compose(string[] args, Action<WebApplicationBuilder>? configure = null)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ApplicationName = typeof(ServerHost).Assembly.GetName().Name, ContentRootPath = AppContext.BaseDirectory });

        // In Development static assets would answer every GET that nothing else does, and so take the 405 from addresses that only take POST.
        builder.Configuration["DisableStaticAssetNotFoundRuntimeFallback"] = "true";
        configure?.Invoke(builder);
        var settings = ServerSettings.Read(builder.Configuration, builder.Environment.IsDevelopment());

        builder.AddSafeLogging(settings.IsDevelopment);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            // Above what any endpoint takes: a client that sends too much is answered, where a hard limit would cut it off.
            kestrel.Limits.MaxRequestBodySize = 4 * 1024 * 1024;
            kestrel.Limits.MaxRequestHeadersTotalSize = 64 * 1024;
            kestrel.Limits.MaxRequestLineSize = 16 * 1024;
            foreach (var port in settings.PlainPorts)
            {
                if (settings.BindAddress is { } address)
                {
                    kestrel.Listen(address, port);
                }
                else if (settings.IsDevelopment)
                {
                    kestrel.ListenLocalhost(port);
                }
                else
                {
                    kestrel.ListenAnyIP(port);
                }
            }

            if (settings.MutualTls is { Port: { } forCertificates, ServerCertificate: { } certificate })
            {
                ListenForCertificates(kestrel, forCertificates, certificate, settings);
            }
        });
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(20) + settings.ShutdownDelay);
        AddServices(builder, settings);

        var app = builder.Build();
        Use(app, settings);
        return app;
    }

    private static void CheckPorts(IServiceProvider services)
    {
        // Tests host the server without a socket.
        if (services.GetRequiredService<IServer>().GetType().Assembly != typeof(KestrelServerOptions).Assembly)
        {
            return;
        }

        var settings = services.GetRequiredService<ServerSettings>();
        foreach (var (setting, port) in settings.Ports)
        {
            FreePort.Check(settings.BindAddress, settings.IsDevelopment, port, setting);
        }
    }

    // RFC 8705 §7.2: whoever has no certificate is let in too. Whose one is, the client's registration says, and not the platform's authorities.
    private static void ListenForCertificates(KestrelServerOptions kestrel, int port, X509Certificate2 certificate, ServerSettings settings)
    {
        void Tls(ListenOptions listen) => listen.UseHttps(https =>
        {
            https.ServerCertificate = certificate;
            https.ServerCertificateChain = settings.MutualTls.ServerChain;
            https.ClientCertificateMode = ClientCertificateMode.AllowCertificate;
            https.AllowAnyClientCertificate();

            // Where a stranger's certificate says that its issuer's is, is nobody's to ask: the handshake would wait for it, and past OUTGOING_ALLOW.
            https.OnAuthenticate = (_, tls) => tls.CertificateChainPolicy = new X509ChainPolicy { DisableCertificateDownloads = true, RevocationMode = X509RevocationMode.NoCheck };
        });
        if (settings.BindAddress is { } address)
        {
            kestrel.Listen(address, port, Tls);
        }
        else if (settings.IsDevelopment)
        {
            kestrel.ListenLocalhost(port, Tls);
        }
        else
        {
            kestrel.ListenAnyIP(port, Tls);
        }
    }

    /// <summary>
    /// Maps the endpoints, brings the store up to date, makes keys, and puts in what the operator wrote down. What was made up here is told to nobody but the caller.
    /// </summary>
    public static async Task<SeededSecrets> InitializeAsync(WebApplication app)
    {
        ArgumentNullException.ThrowIfNull(app);
        var settings = app.Services.GetRequiredService<ServerSettings>();

        // Validated first: nothing is written for a server that cannot start.
        app.Services.GetRequiredService<IStartupValidator>().Validate();

        // Half of a start each, and neither needs the other. Both are through before a password is made up, which is shown only where the start succeeds.
        await Task.WhenAll(PrepareStoresAsync(app.Services), Task.Run(() => Map(app)));
        return await Seeding.RunAsync(app.Services, settings, app.Configuration, CancellationToken.None);
    }

    private static async Task PrepareStoresAsync(IServiceProvider services)
    {
        await services.InitializeStoresAsync();
        await services.GetRequiredService<KeyRing>().RefreshAsync(CancellationToken.None);
    }

    private static void AddServices(WebApplicationBuilder builder, ServerSettings settings)
    {
        var services = builder.Services;
        services.AddSingleton(settings);
        services.AddSqlStores(settings.Storage);
        services.AddStoreDataProtection();
        services.AddOAuthStores();
        services.AddDelivery(settings.Delivery);
        services.AddMailDelivery();
        services.AddUserExports(settings.Exports);
        services.AddIdentityAccounts(allowWeakHash: settings.IsDevelopment);
        services.Configure<AccountsOptions>(options => options.PublicUrl = settings.PublicUrl);
        services.AddSingleton<IGrantedAccess, ConsentForgetting>();
        services.AddSecondFactorHosting(settings);
        services.AddIdentityOAuth();
        services.Configure<OAuthOptions>(options =>
        {
            options.Issuer = settings.PublicUrl;
            options.AccessTokenLifetime = settings.AccessTokenLifetime;
            options.RefreshTokenLifetime = settings.RefreshTokenLifetime;
            options.CompatibilitySecret = settings.JwtSecret;
            options.UiLocales.Clear();
            foreach (var language in Languages.All)
            {
                options.UiLocales.Add(language);
            }
        });

        // OpenID Connect Discovery 1.0 §3: where the operator wrote them down, for applications as for people.
        services.AddOptions<OAuthOptions>().Configure<IOptions<BrandingOptions>>((options, branding) =>
        {
            if (branding.Value.PrivacyUrl is { } privacy)
            {
                options.Metadata["op_policy_uri"] = privacy;
            }

            if (branding.Value.TermsUrl is { } terms)
            {
                options.Metadata["op_tos_uri"] = terms;
            }
        });
        services.AddOpenIddict().AddServer(server => server
            .RemoveEventHandler(OpenIddictServerAspNetCoreHandlers.Authentication.ProcessFormPostResponse.Descriptor)
            .AddEventHandler(FormPostAnswer.Descriptor));
        services.AddOptions<OAuthOptions>().BindSection("OAuth");
        if (settings.MutualTls.Support != CertificateSupport.None)
        {
            services.AddMutualTls(settings.MutualTls.Authorities, settings.MutualTls.Url);
        }

        services.AddSingleton<Draining>();
        services.AddHostedService(provider => provider.GetRequiredService<Draining>());
        services.AddHealthChecks().AddCheck<Draining>("draining", tags: ["ready"]);
        services.AddSingleton<GuardedHttp>();
        services.AddSingleton<IClientDocuments>(provider => provider.GetRequiredService<GuardedHttp>());
        services.AddSingleton<IClientKeySource, FetchedClientKeys>();
        services.AddHostedService<BackChannelLogoutSender>();

        if (settings.RabbitMq is null)
        {
            services.AddInProcessEvents();
            services.AddInProcessCodeRequests();
            services.AddPushDelivery(settings.Delivery.Push);
        }

        services.AddHostedService<Housekeeping>();
        if (settings.OtlpEndpoint is not null || settings.ManagementPort is not null)
        {
            services.AddTelemetry("identity-server", byOtlp: settings.OtlpEndpoint is not null, isScraped: settings.ManagementPort is not null);
        }

        services.AddOptions<CompatibilityOptions>().BindSection(CompatibilityOptions.Section);
        services.AddIdentityApi();
        services.Configure<ApiDocumentOptions>(options => options.AreOpen = settings.ShowsApiDocuments);
        AddOpenApiDocument(services, settings, "v1", OpenApiSpecVersion.OpenApi3_1);

        // For generators from before OpenAPI 3.1, which are many.
        AddOpenApiDocument(services, settings, "v1-3.0", OpenApiSpecVersion.OpenApi3_0);

        services.AddSingleton<DemoFlow>();
        services.AddSingleton<BrowserState>();
        services.AddSingleton<BrowserSession>();
        services.AddSingleton<BrowserMark>();
        services.AddSingleton<EndedSession>();
        services.AddSingleton<RegistrationTicket>();
        services.AddSingleton<IAntiforgeryAdditionalDataProvider, FormBinding>();
        services.AddSingleton<Interactions>();
        services.AddSingleton<ReturnUrls>();
        services.AddOptions<RateLimitOptions>().BindSection(RateLimitOptions.Section)
            .Validate(options => options.TokenFailuresPerAddress >= 1, "RateLimits:TokenFailuresPerAddress: expected 1 or more.")
            .Validate(options => options.UserCodesPerAccount >= 2, "RateLimits:UserCodesPerAccount: expected 2 or more.")
            .Validate(options => options.UserCodesPerAddress >= 2, "RateLimits:UserCodesPerAddress: expected 2 or more.")
            .Validate(options => options.LongRequestsPerAddress >= 1, "RateLimits:LongRequestsPerAddress: expected 1 or more.");
        services.AddSingleton<FailureLimiter>();
        services.AddSingleton<LongRequests>();
        services.AddIdentityPages(builder.Configuration);
        builder.AddExternalSignIn(settings);

        // OWASP ASVS 5.0 §3.4.1: a year. Subdomains are not ours to bind; localhost, which is left out by default, is shared with every other server of the machine.
        services.AddHsts(options => options.MaxAge = TimeSpan.FromDays(365));
        services.AddAntiforgery(options =>
        {
            options.Cookie.Name = settings.IsHttps ? "__Host-identity-form" : "identity-form";
            options.Cookie.SameSite = SameSiteMode.Lax;
            options.Cookie.SecurePolicy = settings.IsHttps ? CookieSecurePolicy.Always : CookieSecurePolicy.None;
            options.Cookie.HttpOnly = true;
            options.Cookie.Path = "/";
            options.SuppressXFrameOptionsHeader = true;
        });
    }

    private static void AddOpenApiDocument(IServiceCollection services, ServerSettings settings, string name, OpenApiSpecVersion version) => services.AddOpenApi(name, options =>
    {
        options.OpenApiVersion = version;
        options.AddIdentityApi();

        // Not the Host header of whoever asks.
        options.AddDocumentTransformer((document, context, _) =>
        {
            document.Info.License!.Url = new Uri(context.ApplicationServices.GetRequiredService<IOptions<BrandingOptions>>().Value.TermsUrl ?? settings.PublicUrl);

            // On a developer's own machine the address is of use to nobody else: the document is relative to where it was found.
            document.Servers = [new OpenApiServer { Url = settings.IsHttps ? settings.PublicUrl : "/" }];
            return Task.CompletedTask;
        });
    });

    private static void Use(WebApplication app, ServerSettings settings)
    {
        app.Use(app.Services.GetRequiredService<Draining>().InvokeAsync);
        if (settings.MutualTls.Header is not null)
        {
            app.UseMiddleware<ForwardedCertificates>();
        }

        if (settings.TrustedProxies.Count > 0)
        {
            // As far as the proxies are ours, each of them by its address: a network may hold any number that one request passes.
            var forwarded = new ForwardedHeadersOptions { ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto | ForwardedHeaders.XForwardedHost, ForwardLimit = null };
            forwarded.KnownProxies.Clear();
            forwarded.KnownIPNetworks.Clear();
            foreach (var network in settings.TrustedProxies)
            {
                forwarded.KnownIPNetworks.Add(network);
            }

            app.UseForwardedHeaders(forwarded);
        }

        if (PublicPath.Of(settings).HasValue)
        {
            app.UseMiddleware<PublicPath>();
        }

        app.Use(OneSpelling.InvokeAsync);
        app.Use(SecurityHeaders);
        if (settings.ManagementPort is { } management)
        {
            // By the socket, which nobody can make up as they can a Host header.
            app.Use((context, next) =>
            {
                if ((context.Connection.LocalPort == management) == IsForOperators(context))
                {
                    return next(context);
                }

                context.Response.StatusCode = StatusCodes.Status404NotFound;
                return Task.CompletedTask;
            });
        }

        if (!settings.IsDevelopment)
        {
            app.UseHsts();
            app.Use(RequireHttps);
        }

        app.UsePageErrors();
        app.Use(RequireReadableForm);
        app.Use(ReadableText.InvokeAsync);

        // Inside the pages' errors: a fault of the endpoints and the API is told as JSON before a page is thought of.
        app.UseMiddleware<ProtocolFaults>();
        app.UseIdentityApi();

        // Not for the page that tells of a fault: what failed there would fail again.
        app.UseWhen(context => context.Features.Get<IExceptionHandlerFeature>() is null && ProtocolEndpoints.KindOf(context.Request.Path) is null or EndpointKind.Page && !MachinePaths.Any(path => IsUnder(context, path)), pages => pages.Use(async (context, next) =>
        {
            await context.RequestServices.GetRequiredService<BrowserSession>().FindAsync(context);
            await next(context);
        }));
        app.UseMiddleware<ProtocolRequests>();
        app.UseMiddleware<CrossOrigin>();
        app.UseMiddleware<Documents>();
        app.UseWhen(context => ProtocolRequests.IsForClients(context.Request), clients => clients.Use(clients.ApplicationServices.GetRequiredService<FailureLimiter>().LimitAsync));
        app.UseWhen(
            context => (HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsPost(context.Request.Method)) && ((string[])[Authorize.Path, EndSession.Path, EndSession.Alias]).Any(path => context.Request.Path.Equals(path, StringComparison.OrdinalIgnoreCase)),
            pages => pages.Use(pages.ApplicationServices.GetRequiredService<LongRequests>().InvokeAsync));
        app.UseWhen(context => context.Request.Path.Equals(Authorize.Path, StringComparison.OrdinalIgnoreCase), authorize => authorize.Use(Authorize.FindVisitorAsync));
        app.UseRouting();
        app.UseAuthentication();
        app.UseAuthorization();
        app.UseAntiforgery();
    }

    // The protocol's endpoints tell it in their own way.
    private static Task RequireReadableForm(HttpContext context, RequestDelegate next)
    {
        if (IsUnder(context, "/connect") || IsUnder(context, "/api") || !context.Request.HasFormContentType || ProtocolRequests.HasReadableCharset(context.Request))
        {
            return next(context);
        }

        context.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
        return Task.CompletedTask;
    }

    /// <summary>Maps the endpoints.</summary>
    /// <exception cref="StartFailureException">PUBLIC_URL or a provider's callback is an address of ours.</exception>
    internal static void Map(WebApplication app)
    {
        var settings = app.Services.GetRequiredService<ServerSettings>();
        app.MapHealthChecks("/health/live", new HealthCheckOptions { Predicate = _ => false });
        app.MapHealthChecks("/health/ready", new HealthCheckOptions { Predicate = check => check.Tags.Contains("ready") });
        app.MapAuthorize();
        app.MapEndSession();
        app.MapCheckSession();
        app.MapUserInfoMetadata();
        if (settings.ManagementPort is not null)
        {
            app.MapPrometheusScrapingEndpoint("/metrics");
        }

        if (settings.ShowsApiDocuments)
        {
            app.MapOpenApi("/openapi/{documentName}.json");
            app.MapAsyncApi();
            app.UseSwaggerUI(options =>
            {
                options.RoutePrefix = "docs";
                options.SwaggerEndpoint(".." + ApiDocumentOptions.OpenApiPath, "Identity API");
                options.SwaggerEndpoint(".." + ApiDocumentOptions.OpenApi30Path, "Identity API, for tools that read OpenAPI 3.0");
                options.DocumentTitle = "Identity API";
            });
        }

        app.MapIdentityApi();
        app.MapIdentityPages();
        app.MapExternalSignIn();
        PublicPath.Check(settings, ((IEndpointRouteBuilder)app).DataSources);
        ExternalEndpoints.CheckPaths(app, MachinePaths);
    }

    private static bool IsForOperators(HttpContext context) => IsUnder(context, "/health") || IsUnder(context, "/metrics");

    private static bool IsUnder(HttpContext context, string path) => context.Request.Path.StartsWithSegments(path, StringComparison.OrdinalIgnoreCase);

    // Content Security Policy Level 3. Pages set their own where they need more.
    private static Task SecurityHeaders(HttpContext context, RequestDelegate next)
    {
        var headers = context.Response.Headers;
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers["Referrer-Policy"] = "same-origin";
        if (!IsUnder(context, "/connect") && !IsUnder(context, "/external"))
        {
            // Applications open the authorize and end-session endpoints in popups and wait for them: an opener policy, on a redirect too, would cut the two apart. The way may lead by another provider.
            headers["Cross-Origin-Opener-Policy"] = "same-origin";
        }

        headers.ContentSecurityPolicy = IsUnder(context, "/docs")
            ? "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; frame-ancestors 'none'"
            : "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
        return next(context);
    }

    // RFC 6749 §3.1.2.1 and RFC 9700 §2.6: codes, tokens and passwords travel by TLS only. Health is asked for on the inside.
    private static async Task RequireHttps(HttpContext context, RequestDelegate next)
    {
        if (context.Request.IsHttps || IsForOperators(context))
        {
            await next(context);
            return;
        }

        const string Message = "https is required. Behind a TLS proxy, name the proxy in TRUSTED_PROXIES.";
        if (IdentityApiExtensions.IsForIdentityApi(context.Request))
        {
            await IdentityApiExtensions.RefuseAsync(context, Message);
            return;
        }

        context.Response.StatusCode = StatusCodes.Status400BadRequest;
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync("{\"error\":\"invalid_request\",\"error_description\":\"" + Message + "\"}");
    }
}
