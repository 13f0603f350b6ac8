// OWASP ASVS 5.0 §7.5.1: a way into the account is added or taken away only soon after its owner proved who they are.
using Identity.Accounts.Changes;
using Identity.Accounts.Credentials;
using Identity.Accounts.ExternalSignIn;
using Identity.Accounts.SignIn;
using Identity.Server.External;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Server.Pages.MyAccount;

/// <summary>A provider through which somebody signs in.</summary>
public sealed record ConnectionLine(string Key, string Name, string Subject, string Used, string? Url);

/// <summary>Other providers through which the account is reached.</summary>
public sealed class ConnectionsModel : AccountPageModel
{
    private readonly ExternalSignInService _external;
    private readonly ExternalProviders _providers;
    private readonly ExternalCompletion _completion;
    private readonly ICredentialStore _credentials;
    private readonly ExternalButtons _buttons;
    private readonly ISignIn _signIn;
    private readonly SignInCookies _cookies;
    private readonly TimeProvider _time;

    public ConnectionsModel(PageServices services, BrowserSession browser, AccountChangeService changes, IServiceProvider all)
        : base(services, browser, changes)
    {
        _external = all.GetRequiredService<ExternalSignInService>();
        _providers = all.GetRequiredService<ExternalProviders>();
        _completion = all.GetRequiredService<ExternalCompletion>();
        _credentials = all.GetRequiredService<ICredentialStore>();
        _buttons = all.GetRequiredService<ExternalButtons>();
        _signIn = all.GetRequiredService<ISignIn>();
        _cookies = all.GetRequiredService<SignInCookies>();
        _time = all.GetRequiredService<TimeProvider>();
    }

    [BindProperty]
    public string? Password { get; set; }

    public IReadOnlyList<ConnectionLine> Connected { get; private set; } = [];

    public IReadOnlyList<(string Name, string Url)> Offered { get; private set; } = [];

    public bool MayChange => _time.GetUtcNow() - Session.AuthenticatedAt < ExternalCompletion.RecentSignIn;

    public Task OnGetAsync(CancellationToken cancellationToken) => ReadAsync(cancellationToken);

    public async Task<IActionResult> OnPostProveAsync(CancellationToken cancellationToken)
    {
        var caller = await SigningInAsync(Browser) with { RememberedTokens = _cookies.ReadRemembered(HttpContext) };
        switch (await _signIn.WithPasswordAsync(LoginKind.Email, Person.Email, Password ?? "", caller, cancellationToken))
        {
            case SignInAttempt.Succeeded succeeded when succeeded.Account.Id == Person.Id:
                await Browser.StartAsync(HttpContext, succeeded.Session);
                return SeeOther(PageUrls.ConnectionsPath);
            case SignInAttempt.SecondFactorDue due:
                _cookies.WriteHalf(HttpContext, due.Half.Ticket);
                return SeeOther(PageUrls.SecondHalf(due.Half, PageUrls.ConnectionsPath));
            case SignInAttempt.RateLimited limited:
                await ReadAsync(cancellationToken);
                return Wait(limited.RetryAfter);
            default:
                Problem(nameof(Password), T[string.IsNullOrEmpty(Password) ? "Password.CurrentMissing" : "Password.CurrentWrong"]);
                await ReadAsync(cancellationToken);
                return Invalid();
        }
    }

    public async Task<IActionResult> OnPostDisconnectAsync(string? key, CancellationToken cancellationToken)
    {
        if (MayChange && key is { Length: > 0 and <= 64 })
        {
            if (await _external.UnlinkAsync(Person.Id, key, Caller with { SessionId = Session.Id }, cancellationToken) == Unlinking.LastWayIn)
            {
                Problem(null, T["Connections.Last"]);
                await ReadAsync(cancellationToken);
                return Invalid();
            }

            return SeeOther(PageUrls.ConnectionsPath + "?done=Disconnected");
        }

        return SeeOther(PageUrls.ConnectionsPath);
    }

    private async Task ReadAsync(CancellationToken cancellationToken)
    {
        var now = _time.GetUtcNow();
        await FindPasswordAsync(_credentials, _buttons, PageUrls.ConnectionsPath, cancellationToken);
        Connected = [.. (await _external.ListAsync(Person.Id, cancellationToken)).Select(identity => new ConnectionLine(
            identity.Key,
            _providers.Find(identity.Provider)?.DisplayName ?? identity.Provider,
            identity.Subject,
            HumanTime.Ago(T, now, identity.LastUsedAt),
            _providers.FindEnabled(identity.Provider) is { } provider ? PageUrls.External(provider.Name, PageUrls.ConnectionsPath) : null))];
        Offered = [.. _providers.Shown.Select(provider => (provider.DisplayName, PageUrls.External(provider.Name, returnUrl: null, _completion.LinkToken(Session))))];
    }
}
