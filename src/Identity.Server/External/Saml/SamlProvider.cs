// SAML 2.0 Profiles §4.1 (Web Browser SSO) and §4.4 (Single Logout): a provider that speaks SAML 2.0.
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Xml;
using Identity.Accounts.ExternalSignIn;
using Identity.Server.Hosting;
using Identity.Server.Pages;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.DataProtection;

namespace Identity.Server.External.Saml;

/// <summary>Our service provider towards one identity provider.</summary>
internal sealed class SamlProvider : IExternalProvider, IDisposable
{
    /// <summary>Stands for a NameID that is an e-mail address; attribute names hold no space.</summary>
    private const string EmailNameId = "(email NameID)";

    // How far an earlier sign-in may lie before one that an application asked to be new: whole seconds and clocks, not the validity of messages.
    private static readonly TimeSpan LongestFreshSkew = TimeSpan.FromMinutes(1);

    private static readonly Dictionary<string, string[]> s_defaults = new(StringComparer.OrdinalIgnoreCase)
    {
        ["email"] = ["mail", "email", "urn:oid:0.9.2342.19200300.100.1.3", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress", EmailNameId],
        ["first_name"] = ["givenName", "urn:oid:2.5.4.42", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname"],
        ["last_name"] = ["sn", "urn:oid:2.5.4.4", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname"],
    };

    // RFC 8176 §2 for the classes of SAML 2.0 Authentication Context §3.4 that have a counterpart.
    private static readonly Dictionary<string, string> s_amr = new(StringComparer.Ordinal)
    {
        ["Password"] = "pwd",
        ["PasswordProtectedTransport"] = "pwd",
        ["TimeSyncToken"] = "otp",
        ["MobileTwoFactorContract"] = "mfa",
        ["MobileTwoFactorUnregistered"] = "mfa",
        ["Smartcard"] = "sc",
        ["SmartcardPKI"] = "sc",
    };

    private readonly ServerSettings _settings;
    private readonly ExternalFlows _flows;
    private readonly ExternalEntries _entries;
    private readonly ExternalSessions _sessions;
    private readonly ExternalCompletion _completion;
    private readonly ExternalFailures _failures;
    private readonly ExternalIds _ids;
    private readonly ReturnUrls _returnUrls;
    private readonly FormPostPage _formPost;
    private readonly IDataProtector _protector;
    private readonly TimeProvider _timeProvider;
    private readonly HttpClient _http;
    private readonly X509Certificate2 _certificate;
    private readonly RSA _key;
    private readonly SamlServiceProvider _self;
    private readonly SamlMetadata _metadata;
    private readonly SamlMessages _messages;
    private readonly SamlResponses _responses;
    private readonly SamlLogout _logout;

    private sealed record SignOutState(SamlNameId NameId, string? SessionIndex);

    public SamlProvider(string name, ProviderOptions options, IServiceProvider services)
    {
        (Name, Options) = (name, options);
        _settings = services.GetRequiredService<ServerSettings>();
        _flows = services.GetRequiredService<ExternalFlows>();
        _entries = services.GetRequiredService<ExternalEntries>();
        _sessions = services.GetRequiredService<ExternalSessions>();
        _completion = services.GetRequiredService<ExternalCompletion>();
        _failures = services.GetRequiredService<ExternalFailures>();
        _ids = services.GetRequiredService<ExternalIds>();
        _returnUrls = services.GetRequiredService<ReturnUrls>();
        _formPost = services.GetRequiredService<FormPostPage>();
        _protector = services.GetRequiredService<IDataProtectionProvider>().CreateProtector("identity.external-sign-out.v1", name);
        _timeProvider = services.GetRequiredService<TimeProvider>();
        _http = services.GetRequiredService<ExternalHttp>().CreateClient(options.Timeout);
        _certificate = X509Certificate2.CreateFromPemFile(options.CertificateFile!, options.KeyFile);
        _key = _certificate.GetRSAPrivateKey()!;
        _self = new SamlServiceProvider(options.EntityId ?? $"{_settings.PublicUrl}/external/{name}/metadata", _settings.PublicUrl + ConsumerPath(name, options), $"{_settings.PublicUrl}/external/{name}/slo");
        _metadata = new SamlMetadata(name, options, _http, _settings.IsDevelopment, _timeProvider, services.GetRequiredService<ILogger<SamlProvider>>());
        _messages = new SamlMessages(_self, _timeProvider);
        var signatures = new SamlSignatures(name, options);
        _responses = new SamlResponses(name, options, _self, signatures, new SamlEncryption(name, options, _key), _timeProvider);
        _logout = new SamlLogout(_self, signatures, _responses, _timeProvider);
    }

    public string Name { get; }

    public ProviderOptions Options { get; }

    public string DisplayName => Options.DisplayName ?? Name;

    public static string ConsumerPath(string name, ProviderOptions options) => options.CallbackPath ?? $"/external/{name}/acs";

    public string OurMetadata() => _messages.Metadata(_certificate, NameIdFormat);

    private string? NameIdFormat => Options.NameIdFormat is { } format ? SamlNames.NameIdFormats[format] : null;

    public async Task ChallengeAsync(HttpContext context, ExternalFlow flow)
    {
        var provider = await _metadata.GetAsync(context.RequestAborted);
        var (wanted, other) = Options.RequestBinding == "post" ? (SamlNames.Post, SamlNames.Redirect) : (SamlNames.Redirect, SamlNames.Post);
        var binding = provider.SignOn.ContainsKey(wanted) ? wanted : other;
        if (!provider.SignOn.TryGetValue(binding, out var address))
        {
            throw new ExternalRefusal(ExternalProblem.Setup, "metadata", "the provider's metadata names no address for sign-in by redirect or POST");
        }

        var id = _ids.NewRequestId();
        await _flows.SaveAsync(ExternalFlows.SignIn, id, flow, context.RequestAborted);
        await SendAsync(context, "SAMLRequest", _messages.AuthnRequest(id, address, flow.Fresh || flow.Retried, NameIdFormat), binding, address, relayState: null);
    }

    /// <summary>An answer to a sign-in came by POST.</summary>
    public async Task ConsumeAsync(HttpContext context)
    {
        string? returnUrl = null;
        try
        {
            var form = context.Request.HasFormContentType ? await context.Request.ReadFormAsync(context.RequestAborted) : null;
            if (form?["SAMLResponse"] is not [{ Length: > 0 } message])
            {
                throw Refused("form", "the request carries no SAMLResponse");
            }

            var response = SamlResponses.Read(message);
            var request = SamlXml.Attribute(response, "InResponseTo");
            var flow = await TakeAsync(request, context.RequestAborted);
            returnUrl = flow.ReturnUrl;
            var assertion = await WithKeysAsync(keys => _responses.Validate(response, request, keys), context.RequestAborted);
            if (!await _entries.TryMarkAsync("assertion", Name + "\n" + assertion.Id, assertion.ExpiresAt + _responses.Skew + _responses.Skew, context.RequestAborted))
            {
                throw new ExternalRefusal(ExternalProblem.Expired, "replay", "the assertion came before");
            }

            // A form from another site brings no cookies of ours along; the next request does, and there the browser is compared.
            var ticket = await _flows.SaveTicketAsync(new ExternalTicket(flow, Person(assertion)), context.RequestAborted);
            SeeOther(context, $"/external/{Name}/continue?ticket={ticket}");
        }
        catch (Exception failure) when (IsTold(context, failure))
        {
            _failures.Tell(context, Name, failure, returnUrl);
        }
    }

    /// <summary>The browser that brought an answer comes back with its cookies.</summary>
    public async Task ContinueAsync(HttpContext context, string? ticketId)
    {
        string? returnUrl = null;
        try
        {
            if (ticketId is not { Length: > 0 and <= 200 } || await _flows.TakeTicketAsync(ticketId, context.RequestAborted) is not { } ticket || ticket.Flow.Provider != Name)
            {
                throw new ExternalRefusal(ExternalProblem.Expired, "state", "the way back was used before, or is too old");
            }

            var (flow, person) = (ticket.Flow, ticket.Person);
            if (flow.Browser.Length == 0)
            {
                // The provider sent it unasked: whichever browser brings it.
                flow = flow with { Browser = _flows.MarkBrowser(context) };
            }

            var skew = _responses.Skew < LongestFreshSkew ? _responses.Skew : LongestFreshSkew;
            if (_flows.IsFrom(context, flow))
            {
                returnUrl = flow.ReturnUrl;
                if (flow is { Retried: false } && (flow.MaxAge ?? (flow.Proves ? (long)ExternalCompletion.RecentSignIn.TotalSeconds : null)) is { } seconds && person.AuthenticatedAt < _timeProvider.GetUtcNow() - TimeSpan.FromSeconds(seconds) - skew)
                {
                    // SAML has no max_age: the provider is asked for a new sign-in once it is known that the old one does not do.
                    await ChallengeAsync(context, flow with { Retried = true });
                    return;
                }
            }

            await _completion.CompleteAsync(context, flow, person, skew);
        }
        catch (Exception failure) when (IsTold(context, failure))
        {
            _failures.Tell(context, Name, failure, returnUrl);
        }
    }

    public async Task<string?> SignOutUrlAsync(HttpContext context, SessionOrigin origin, string returnUrl)
    {
        if (!Options.SignOut || origin.SignOutState is not { } protectedState || !(await _metadata.GetAsync(context.RequestAborted)).Logout.TryGetValue(SamlNames.Redirect, out var address))
        {
            return null;
        }

        SignOutState state;
        try
        {
            state = JsonSerializer.Deserialize<SignOutState>(_protector.Unprotect(protectedState))!;
        }
        catch (CryptographicException)
        {
            return null;
        }

        // The answer is known by InResponseTo: OpenAM does not send RelayState back.
        var id = _ids.NewRequestId();
        var flow = new ExternalFlow(Name, returnUrl, _flows.MarkBrowser(context), _timeProvider.GetUtcNow(), Fresh: false, MaxAge: null, LoginHint: null, LinkSessionId: null, Retried: false);
        await _flows.SaveAsync(ExternalFlows.SignedOut, id, flow, context.RequestAborted);
        return WithQuery(address, SamlSignatures.SignQuery("SAMLRequest", _messages.LogoutRequest(id, address, state.NameId, state.SessionIndex), relayState: null, _key));
    }

    /// <summary>A sign-out that the provider asks for, or its answer to ours.</summary>
    public async Task LogoutAsync(HttpContext context)
    {
        try
        {
            var isPost = HttpMethods.IsPost(context.Request.Method);
            var form = isPost && context.Request.HasFormContentType ? await context.Request.ReadFormAsync(context.RequestAborted) : null;
            string? Field(string field) => (isPost ? form?[field] : context.Request.Query[field]) is [{ Length: > 0 } value] ? value : null;
            if (Field("SAMLRequest") is { } request)
            {
                await EndAsync(context, request, isPost, Field("RelayState"));
                return;
            }

            var answer = SamlLogout.ReadResponse(Field("SAMLResponse") ?? throw Refused("form", "the request carries no SAML message"), isPost);
            if (!answer.Succeeded)
            {
                _failures.Note(Name, Refused("logout_status", "the provider did not end its session, or not everywhere"));
            }

            // It ends nothing and lets nobody in, it leads on: to where this browser was on its way, by the page that compares the browser.
            SeeOther(context, $"/external/{Name}/signed-out?state={Uri.EscapeDataString(answer.InResponseTo)}");
        }
        catch (Exception failure) when (IsTold(context, failure))
        {
            _failures.Tell(context, Name, failure, returnUrl: null);
        }
    }

    public async Task<IReadOnlyList<FederationFinding>> CheckAsync(CancellationToken cancellationToken)
    {
        var provider = await _metadata.FindAsync(cancellationToken);
        var findings = new List<FederationFinding>();
        if (provider.ShippedKeys > 0)
        {
            findings.Add(new(provider.Keys.Count == 0, provider.Keys.Count == 0 ? ShippedKeys.Mending : "the metadata still holds OpenAM's shipped key 'test'; what it signs is refused"));
        }
        else if (provider.Keys.Count == 0)
        {
            findings.Add(new(true, "the metadata names no key that can be used"));
        }

        if (!provider.SignOn.ContainsKey(SamlNames.Redirect) && !provider.SignOn.ContainsKey(SamlNames.Post))
        {
            findings.Add(new(true, "the metadata names no address for sign-in by redirect or POST"));
        }

        if (Options.SignOut && !provider.Logout.ContainsKey(SamlNames.Redirect))
        {
            findings.Add(new(false, "the metadata names no address for sign-out by redirect: a sign-out here does not sign out there"));
        }

        if (Options.AllowSha1)
        {
            findings.Add(new(false, "AllowSha1 is on: set the provider to RSA-SHA256 (docs/openam.md) and take it away"));
        }

        if (Options.AllowRsa15)
        {
            findings.Add(new(false, "AllowRsa15 is on: set the provider to RSA-OAEP (docs/openam.md) and take it away"));
        }

        findings.Add(new(false, $"register at the provider: our metadata {_settings.PublicUrl}/external/{Name}/metadata (entity {_self.EntityId}, assertions to {_self.ConsumerUrl}, sign-out {_self.LogoutUrl})"));
        return findings;
    }

    public void Dispose()
    {
        _http.Dispose();
        _key.Dispose();
        _certificate.Dispose();
    }

    private async Task<ExternalFlow> TakeAsync(string? request, CancellationToken cancellationToken)
    {
        if (request is null)
        {
            return Options.AllowIdpInitiated
                ? new ExternalFlow(Name, _returnUrls.Validate(null), Browser: "", _timeProvider.GetUtcNow(), Fresh: false, MaxAge: null, LoginHint: null, LinkSessionId: null, Retried: false)
                : throw Refused("unsolicited", $"nobody asked for the answer; Federation:Providers:{Name}:AllowIdpInitiated lets the provider begin sign-ins");
        }

        // Another provider's is left to it. Taken before anything is decrypted: each request is one try.
        return request.Length <= 200 && await _flows.PeekAsync(ExternalFlows.SignIn, request, cancellationToken) is { } seen && seen.Provider == Name && await _flows.TakeAsync(ExternalFlows.SignIn, request, cancellationToken) is { } flow
            ? flow
            : throw new ExternalRefusal(ExternalProblem.Expired, "state", "the answer is to a request that is unknown, was answered before, is too old, or is another provider's");
    }

    private async Task<T> WithKeysAsync<T>(Func<IReadOnlyList<AsymmetricAlgorithm>, T> use, CancellationToken cancellationToken)
    {
        try
        {
            return use((await _metadata.GetAsync(cancellationToken)).Keys);
        }
        catch (ExternalRefusal refusal) when (refusal.Reason == "signature")
        {
            return await _metadata.TryRefreshAsync(cancellationToken) ? use((await _metadata.GetAsync(cancellationToken)).Keys) : throw new ExternalRefusal(refusal.Problem, refusal.Reason, refusal.Message);
        }
    }

    private ExternalPerson Person(SamlAssertion assertion)
    {
        var nameId = assertion.NameId;
        IReadOnlyList<string> Find(string attribute) => attribute == EmailNameId
            ? nameId is { Format: SamlNames.EmailAddress } ? [nameId.Value] : []
            : assertion.Attributes.GetValueOrDefault(attribute, []);
        var byAttribute = Options.Subject is { } setting && setting.StartsWith("attribute:", StringComparison.Ordinal) ? setting["attribute:".Length..] : null;
        if (byAttribute is null && nameId?.Format == SamlNames.Transient)
        {
            throw new ExternalRefusal(ExternalProblem.Setup, "subject", $"the provider sends a transient NameID, which is another at each sign-in; see Federation:Providers:{Name}:Subject and NameIdFormat");
        }

        var subject = byAttribute is null ? nameId?.Value : Find(byAttribute) is [var only] ? only : null;
        var word = assertion.AuthnContext?.Split(':')[^1];
        return ExternalClaims.Map(Name, Options, realm: "", subject ?? "", Find, s_defaults) with
        {
            AuthenticatedAt = assertion.AuthenticatedAt,
            Amr = Options.WithAcr(assertion.AuthnContext, word is not null && s_amr.TryGetValue(word, out var method) ? [method] : []),
            UpstreamSession = nameId is not null && assertion.SessionIndex is { } index ? Upstream(nameId, index) : null,
            SessionEndsAt = assertion.SessionEndsAt,
            SignOutState = nameId is not null && Options.SignOut ? _protector.Protect(JsonSerializer.Serialize(new SignOutState(nameId, assertion.SessionIndex))) : null,
        };
    }

    private async Task EndAsync(HttpContext context, string message, bool isPost, string? relayState)
    {
        var provider = await _metadata.GetAsync(context.RequestAborted);
        var asked = await WithKeysAsync(keys => _logout.ReadRequest(message, isPost, context.Request.QueryString.Value?.TrimStart('?') ?? "", keys), context.RequestAborted);
        if (await _entries.PeekAsync("logout", Name + "\n" + asked.Id, context.RequestAborted) is not null)
        {
            throw new ExternalRefusal(ExternalProblem.Expired, "replay", "the request to sign out came before");
        }

        var bySubject = Options.Subject is null or "nameid";
        var succeeded = asked.SessionIndexes.Count > 0 || bySubject;
        var caller = Callers.Of(context);
        foreach (var index in asked.SessionIndexes)
        {
            await _sessions.EndAsync(Name, subject: null, Upstream(asked.NameId, index), caller, CancellationToken.None);
        }

        if (asked.SessionIndexes.Count == 0 && bySubject)
        {
            await _sessions.EndAsync(Name, new ExternalSubject(Name, "", asked.NameId.Value, Options.IgnoreSubjectCase), upstreamSession: null, caller, CancellationToken.None);
        }

        // Marked after it: what an outage leaves undone may come again, and two at once end the same sessions.
        if (!await _entries.TryMarkAsync("logout", Name + "\n" + asked.Id, asked.ExpiresAt, CancellationToken.None))
        {
            throw new ExternalRefusal(ExternalProblem.Expired, "replay", "the request to sign out came twice at once");
        }

        var binding = provider.LogoutAnswers.ContainsKey(SamlNames.Redirect) ? SamlNames.Redirect : SamlNames.Post;
        if (!provider.LogoutAnswers.TryGetValue(binding, out var address))
        {
            SeeOther(context, PageUrls.SignedOutPath);
            return;
        }

        await SendAsync(context, "SAMLResponse", _messages.LogoutResponse(_ids.NewRequestId(), address, asked.Id, succeeded), binding, address, relayState is { Length: <= 500 } ? relayState : null);
    }

    private async Task SendAsync(HttpContext context, string field, string xml, string binding, string address, string? relayState)
    {
        context.Response.Headers.CacheControl = "no-store";
        if (binding == SamlNames.Redirect)
        {
            context.Response.Redirect(WithQuery(address, SamlSignatures.SignQuery(field, xml, relayState, _key)));
            return;
        }

        var document = new XmlDocument { PreserveWhitespace = true, XmlResolver = null };
        document.LoadXml(xml);
        SamlSignatures.Sign(document, _key);
        KeyValuePair<string, string>[] fields = [new(field, Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(document.OuterXml))), .. relayState is null ? Array.Empty<KeyValuePair<string, string>>() : [new("RelayState", relayState)]];
        await _formPost.WriteAsync(context, new FormPost(address, DisplayName, fields));
    }

    // A session of theirs is one of this person's: an index alone could be another's by chance.
    private static string Upstream(SamlNameId nameId, string sessionIndex) => nameId.Value + "\n" + sessionIndex;

    private static string WithQuery(string address, string query) => address + (address.Contains('?', StringComparison.Ordinal) ? "&" : "?") + query;

    private static bool IsTold(HttpContext context, Exception failure) =>
        failure is ExternalRefusal or HttpRequestException or InvalidDataException or BadHttpRequestException or CryptographicException || (failure is OperationCanceledException && !context.RequestAborted.IsCancellationRequested);

    private static void SeeOther(HttpContext context, string location)
    {
        context.Response.StatusCode = StatusCodes.Status303SeeOther;
        context.Response.Headers.Location = PublicPath.Rooted(context.Request, location);
        context.Response.Headers.CacheControl = "no-store";
    }

    private static ExternalRefusal Refused(string reason, string detail) => new(ExternalProblem.Refused, reason, detail);
}
