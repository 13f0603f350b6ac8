// The addresses of external sign-in. The redirect URIs themselves are answered by ASP.NET Core's handlers.
using Identity.Accounts.ExternalSignIn;
using Identity.Server.External.Oidc;
using Identity.Server.External.Saml;
using Identity.Server.Hosting;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Identity.Server.External;

/// <summary>Composition and addresses of external sign-in.</summary>
internal static class ExternalEndpoints
{
    // Callers of the session token route wait five seconds at most, the answer included.
    private static readonly TimeSpan LongestAnswer = TimeSpan.FromSeconds(4.5);

    /// <exception cref="ServiceDefaults.Settings.StartFailureException">One line for each setting that cannot be used.</exception>
    public static void AddExternalSignIn(this WebApplicationBuilder builder, ServerSettings settings)
    {
        var services = builder.Services;
        var options = new FederationOptions();
        var problems = ServiceDefaults.Settings.SectionValues.Bind(builder.Configuration.GetSection(FederationOptions.Section), options)
            .Concat(FederationValidation.FindProblems(options, settings.IsDevelopment)).ToList();
        if (problems.Count > 0)
        {
            throw new ServiceDefaults.Settings.StartFailureException(string.Join(Environment.NewLine, problems));
        }

        services.AddSingleton(options);
        services.Replace(ServiceDescriptor.Singleton(new ConfiguredProviders([.. options.Providers.Select(pair => new ConfiguredProvider(pair.Key, pair.Value.Enabled, [.. pair.Value.Roles.Select(role => role.Role)]))])));
        services.TryAddSingleton<ExternalHttp>();
        services.TryAddSingleton<ExternalIds>();
        services.AddSingleton<ExternalFlows>();
        services.AddSingleton<ExternalFailures>();
        services.AddSingleton<ExternalCompletion>();
        services.AddSingleton<ExternalSignOut>();
        services.AddSingleton(provider => new ExternalButtons(provider.GetRequiredService<ExternalProviders>(), provider.GetRequiredService<ExternalSignInService>()));
        services.AddSingleton(provider => new BrowserSignOut(provider.GetRequiredService<BrowserSession>(), provider.GetRequiredService<EndedSession>(), provider.GetRequiredService<ExternalSignOut>()));
        services.AddSingleton<BackChannelLogout>();
        services.AddSingleton(provider => new ExternalProviders(options, provider.GetServices<IExternalProvider>()));
        services.AddSingleton(provider => new FederationCheck(provider.GetRequiredService<ExternalProviders>()));

        // What it says of a message may quote it; every failure is told by ExternalFailures.
        builder.Logging.AddFilter("Microsoft.AspNetCore.Authentication.OpenIdConnect", LogLevel.None);
        foreach (var (name, provider) in options.Providers.Where(pair => pair.Value is { Enabled: true, SessionToken: not null }))
        {
            services.AddSingleton(all => new OpenAmSessionTokens(
                new OpenAmSettings(name, new Uri(provider.SessionToken!.Root!), [.. provider.SessionToken.Realms], provider.SessionToken.Cookie, TimeSpan.FromTicks(Math.Min(provider.Timeout.Ticks, LongestAnswer.Ticks)), provider.SessionToken.Lifetime, new ExternalPerson
                {
                    Subject = new ExternalSubject(name, "", "", provider.IgnoreSubjectCase),
                    EmailVerified = provider.TrustEmail,
                    MayCreateAccount = provider.CreateAccounts,
                }),
                all.GetRequiredService<ExternalHttp>().CreateClient(provider.Timeout),
                all.GetRequiredService<ExternalIdentities>()));
        }

        foreach (var (name, provider) in options.Providers.Where(pair => pair.Value.Type == "saml"))
        {
            services.AddSingleton<IExternalProvider>(all => new SamlProvider(name, provider, all));
        }

        foreach (var (name, provider) in options.Providers.Where(pair => pair.Value.Type == "oidc"))
        {
            services.AddSingleton<IExternalProvider>(all => new OidcProvider(name, provider, all));
            services.AddAuthentication().AddOpenIdConnect(OidcProvider.Scheme(name), provider.DisplayName ?? name, _ => { });
            services.AddOptions<Microsoft.AspNetCore.Authentication.OpenIdConnect.OpenIdConnectOptions>(OidcProvider.Scheme(name))
                .Configure<ExternalProviders>((handler, providers) => ((OidcProvider)providers.Find(name)!).Configure(handler));
        }
    }

    public static void MapExternalSignIn(this IEndpointRouteBuilder endpoints)
    {
        endpoints.MapGet("/external/{provider}", StartAsync).ExcludeFromDescription();
        endpoints.MapGet("/external/{provider}/signed-out", SignedOutAsync).ExcludeFromDescription();
        endpoints.MapPost("/external/{provider}/backchannel-logout", async (HttpContext context, string provider, ExternalProviders providers, BackChannelLogout logout) =>
        {
            if (providers.Find(provider) is OidcProvider found)
            {
                await logout.HandleAsync(context, found);
                return;
            }

            context.Response.StatusCode = StatusCodes.Status404NotFound;
        }).ExcludeFromDescription().DisableAntiforgery();
        endpoints.MapGet("/external/{provider}/metadata", (string provider, ExternalProviders providers) =>
            providers.Find(provider) is SamlProvider found ? Results.Content(found.OurMetadata(), "application/samlmetadata+xml") : Results.NotFound()).ExcludeFromDescription();
        endpoints.MapGet("/external/{provider}/continue", (HttpContext context, string provider, string? ticket, ExternalProviders providers) => ToSamlAsync(context, providers, provider, found => found.ContinueAsync(context, ticket))).ExcludeFromDescription();
        endpoints.MapMethods("/external/{provider}/slo", [HttpMethods.Get, HttpMethods.Post], (HttpContext context, string provider, ExternalProviders providers) => ToSamlAsync(context, providers, provider, found => found.LogoutAsync(context))).ExcludeFromDescription().DisableAntiforgery();
        foreach (var (name, provider) in endpoints.ServiceProvider.GetRequiredService<FederationOptions>().Providers.Where(pair => pair.Value.Type == "saml"))
        {
            endpoints.MapPost(SamlProvider.ConsumerPath(name, provider), (HttpContext context, ExternalProviders providers) => ToSamlAsync(context, providers, name, found => found.ConsumeAsync(context))).ExcludeFromDescription().DisableAntiforgery();
        }
    }

    /// <exception cref="ServiceDefaults.Settings.StartFailureException">A provider's CallbackPath is one of our own, as <see cref="PublicPath.Check"/> has it for PUBLIC_URL.</exception>
    /// <param name="endpoints">All of them, those of the providers among them.</param>
    /// <param name="unmapped">Paths of our own that are no endpoints, or not with every setting.</param>
    public static void CheckPaths(IEndpointRouteBuilder endpoints, IReadOnlyList<string> unmapped)
    {
        var options = endpoints.ServiceProvider.GetRequiredService<FederationOptions>();
        var consumers = options.Providers.Where(pair => pair.Value.Type == "saml").Select(pair => SamlProvider.ConsumerPath(pair.Key, pair.Value)).ToHashSet(StringComparer.OrdinalIgnoreCase);
        var own = endpoints.DataSources.SelectMany(source => source.Endpoints).Where(endpoint => !consumers.Contains((endpoint as RouteEndpoint)?.RoutePattern.RawText ?? "")).ToArray();
        var problems = FederationValidation.FindTakenPaths(options, path => PublicPath.IsOurs(path, own) || unmapped.Any(prefix => new PathString(path).StartsWithSegments(prefix, StringComparison.OrdinalIgnoreCase))).ToArray();
        if (problems.Length > 0)
        {
            throw new ServiceDefaults.Settings.StartFailureException(string.Join(Environment.NewLine, problems));
        }
    }

    private static async Task ToSamlAsync(HttpContext context, ExternalProviders providers, string name, Func<SamlProvider, Task> answer)
    {
        if (providers.FindEnabled(name) is SamlProvider provider)
        {
            await answer(provider);
            return;
        }

        context.Response.StatusCode = StatusCodes.Status404NotFound;
    }

    private static async Task StartAsync(HttpContext context, string provider, string? returnUrl, string? link, ExternalProviders providers, ExternalCompletion completion, ExternalFailures failures)
    {
        try
        {
            var found = providers.FindEnabled(provider) ?? throw new ExternalRefusal(ExternalProblem.Unknown, "provider", $"there is no such provider, or Federation:Providers:{(providers.Find(provider) is null ? "*" : provider)}:Enabled is false");
            await found.ChallengeAsync(context, await completion.BeginAsync(context, provider, returnUrl, link));
        }
        catch (Exception failure) when (failure is ExternalRefusal or HttpRequestException || (failure is OperationCanceledException && !context.RequestAborted.IsCancellationRequested))
        {
            failures.Tell(context, providers.Find(provider) is null ? "" : provider, failure, returnUrl is not null && ReturnUrls.IsLocal(returnUrl) ? returnUrl : null);
        }
    }

    // Back from a sign-out there. Whatever the state says, the session here had ended before.
    private static async Task SignedOutAsync(HttpContext context, string provider, string? state, ExternalFlows flows)
    {
        var flow = state is { Length: > 0 and <= 200 } ? await flows.TakeAsync(ExternalFlows.SignedOut, state, context.RequestAborted) : null;
        context.Response.StatusCode = StatusCodes.Status303SeeOther;
        context.Response.Headers.Location = PublicPath.Rooted(context.Request, flow is not null && flow.Provider == provider && flows.IsFrom(context, flow) && ReturnUrls.IsLocal(flow.ReturnUrl) ? flow.ReturnUrl : Pages.Flow.PageUrls.SignedOutPath);
    }
}
