using Identity.Accounts;
using Identity.Api.OpenApi;
using Identity.OAuth;
using Identity.OAuth.Clients;
using Identity.Server.Hosting;
using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;

namespace Identity.Server.Pages;

/// <summary>
/// What is running, and what to try next. Outside Development it is a front door and no more: how the service is set up is nobody's business there.
/// </summary>
public sealed class IndexModel(PageServices services, IOptions<OAuthOptions> options, IHostEnvironment environment, IServiceProvider provider, IOptions<ApiDocumentOptions> documents, ClientStore clients, BrowserSession browser, IAccountStore accounts) : IdentityPageModel(services)
{
    private const string DemoClientId = "demo";

    public bool ShowsDetails => environment.IsDevelopment();

    public bool ShowsApiDocuments => documents.Value.AreOpen;

    public string Issuer => options.Value.Issuer;

    public string Version { get; } = typeof(IndexModel).Assembly.GetName().Version?.ToString(3) ?? "";

    public bool IsHealthy { get; private set; } = true;

    /// <summary>Provider and place of the database; never a user name or password.</summary>
    public string? Database { get; private set; }

    public Client? Demo { get; private set; }

    public Account? Account { get; private set; }

    public async Task OnGetAsync(CancellationToken cancellationToken)
    {
        if (await browser.FindAsync(HttpContext) is { } session)
        {
            Account = await accounts.FindAsync(session.AccountId, cancellationToken);
        }

        if (!ShowsDetails)
        {
            return;
        }

        if (provider.GetService<HealthCheckService>() is { } health)
        {
            IsHealthy = (await health.CheckHealthAsync(cancellationToken)).Status == HealthStatus.Healthy;
        }

        Database = provider.GetService<StorageSettings>()?.Description;
        Demo = await clients.FindAsync(DemoClientId, cancellationToken);
    }
}
