// OpenID Connect Core §3.1 (code flow), RFC 7636 (PKCE), RFC 9207 (iss), RP-Initiated Logout 1.0 §2, RFC 7009: a provider that speaks OpenID Connect.
using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using Identity.Accounts.ExternalSignIn;
using Identity.Server.Hosting;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;

namespace Identity.Server.External.Oidc;

/// <summary>ASP.NET Core's OpenID Connect handler, one scheme a provider; this is what its events and its settings say.</summary>
internal sealed partial class OidcProvider : IExternalProvider, IDisposable
{
    private const string FlowItem = "identity.external-flow";
    private const string UserInfoItem = "identity.external-userinfo";
    private const string IdTokenItem = "identity.external-id-token";

    private static readonly Dictionary<string, string[]> s_defaults = new(StringComparer.OrdinalIgnoreCase)
    {
        ["email"] = ["email"],
        ["first_name"] = ["given_name"],
        ["last_name"] = ["family_name"],
    };

    private readonly ServerSettings _settings;
    private readonly ExternalFlows _flows;
    private readonly ExternalCompletion _completion;
    private readonly ExternalFailures _failures;
    private readonly ExternalIds _ids;
    private readonly HttpClient _documentsHttp;
    private readonly HttpClient _http;
    private readonly OidcIssuers _issuers;
    private readonly OidcClientAuthentication _authentication;
    private readonly IDataProtector _protector;
    private readonly TimeProvider _timeProvider;

    public OidcProvider(string name, ProviderOptions options, IServiceProvider services)
    {
        (Name, Options) = (name, options);
        _settings = services.GetRequiredService<ServerSettings>();
        _flows = services.GetRequiredService<ExternalFlows>();
        _completion = services.GetRequiredService<ExternalCompletion>();
        _failures = services.GetRequiredService<ExternalFailures>();
        _ids = services.GetRequiredService<ExternalIds>();
        _protector = services.GetRequiredService<IDataProtectionProvider>().CreateProtector("identity.external-sign-out.v1", name);
        _timeProvider = services.GetRequiredService<TimeProvider>();
        var http = services.GetRequiredService<ExternalHttp>();
        _issuers = new OidcIssuers(options);
        _authentication = new OidcClientAuthentication(options, _timeProvider);
        _documentsHttp = http.CreateClient(options.Timeout);
        _http = http.CreateClient(options.Timeout, inner => new OidcClientAuthentication.Handler(_authentication, inner));
        Documents = new OidcDocuments(name, options, _issuers, _documentsHttp, _settings.IsDevelopment, _timeProvider, services.GetRequiredService<ILogger<OidcProvider>>());
        Tokens = new OidcTokens(name, options, _issuers, Documents, _timeProvider);
    }

    public string Name { get; }

    public ProviderOptions Options { get; }

    public OidcDocuments Documents { get; }

    public OidcTokens Tokens { get; }

    public string DisplayName => Options.DisplayName ?? Name;

    public string CallbackPath => ReturnPath(Name, Options);

    public static string ReturnPath(string name, ProviderOptions options) => options.CallbackPath ?? $"/external/{name}/callback";

    public static string Scheme(string name) => "external:" + name;

    /// <summary>What ASP.NET Core's handler is told.</summary>
    public void Configure(OpenIdConnectOptions handler)
    {
        var cookies = _settings.IsHttps ? "__Host-identity-external" : "identity-external";
        CookieBuilder Cookie(string what) => new()
        {
            Name = $"{cookies}-{what}.",
            Path = "/",
            HttpOnly = true,
            IsEssential = true,
            SameSite = SameSiteMode.Lax,
            SecurePolicy = _settings.IsHttps ? CookieSecurePolicy.Always : CookieSecurePolicy.None,
            MaxAge = ExternalFlows.Life,
        };

        handler.ClientId = Options.ClientId;
        handler.CallbackPath = CallbackPath;
        handler.RemoteSignOutPath = default;
        handler.SignedOutCallbackPath = default;
        handler.ResponseType = OpenIdConnectResponseType.Code;
        handler.ResponseMode = OpenIdConnectResponseMode.Query;
        handler.UsePkce = true;
        handler.PushedAuthorizationBehavior = PushedAuthorizationBehavior.Disable;
        handler.DisableTelemetry = true;
        handler.RequireHttpsMetadata = !_settings.IsDevelopment;
        handler.MapInboundClaims = false;
        handler.GetClaimsFromUserInfoEndpoint = true;
        handler.ClaimActions.Clear();
        handler.ConfigurationManager = Documents;
        handler.Backchannel = _http;
        handler.TokenHandler = new IdTokens(Tokens);
        handler.ProtocolValidator = new OidcProtocol(_ids);
        handler.RemoteAuthenticationTimeout = ExternalFlows.Life;
        handler.NonceCookie = Cookie("nonce");
        handler.CorrelationCookie = Cookie("state");
        handler.Scope.Clear();
        foreach (var scope in (Options.Scopes.Count > 0 ? Options.Scopes : ["openid", "profile", "email"]).Prepend("openid").Distinct(StringComparer.Ordinal))
        {
            handler.Scope.Add(scope);
        }

        handler.Events = new OpenIdConnectEvents
        {
            OnRedirectToIdentityProvider = RedirectAsync,
            OnMessageReceived = ReceiveAsync,
            OnAuthorizationCodeReceived = RedeemAsync,
            OnTokenResponseReceived = received =>
            {
                received.HttpContext.Items[IdTokenItem] = received.TokenEndpointResponse;
                return Task.CompletedTask;
            },
            OnUserInformationReceived = received =>
            {
                received.HttpContext.Items[UserInfoItem] = received.User.RootElement.Clone();
                return Task.CompletedTask;
            },
            OnTicketReceived = CompleteAsync,
            OnAccessDenied = async denied =>
            {
                // The application that they come from still waits.
                var flow = denied.Properties?.Items.TryGetValue(FlowItem, out var id) == true ? await _flows.TakeAsync(ExternalFlows.SignIn, id!, denied.HttpContext.RequestAborted) : null;
                _failures.Tell(denied.HttpContext, Name, new ExternalRefusal(ExternalProblem.Denied, "access_denied", "the person, or the provider for them, said no"), flow is not null && _flows.IsFrom(denied.HttpContext, flow) ? flow.ReturnUrl : null);
                denied.HandleResponse();
            },
            OnRemoteFailure = FailAsync,
        };
    }

    public async Task ChallengeAsync(HttpContext context, ExternalFlow flow)
    {
        var id = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(24));
        await _flows.SaveAsync(ExternalFlows.SignIn, id, flow, context.RequestAborted);
        var properties = new OpenIdConnectChallengeProperties { RedirectUri = "/" };
        properties.Items[FlowItem] = id;
        properties.SetParameter("login_hint", flow.LoginHint);
        if (!flow.Retried)
        {
            properties.Prompt = flow.Fresh ? OpenIdConnectPrompt.Login : null;

            // Core §2: auth_time, by which a new sign-in is told from an old one, is certain only where max_age was asked. OpenAM tells it anyway, and answers a max_age that has passed by an error.
            properties.MaxAge = flow.MaxAge is { } seconds ? TimeSpan.FromSeconds(seconds) : flow.Proves ? ExternalCompletion.RecentSignIn : flow.Fresh && !Options.IsOpenAm ? TimeSpan.Zero : null;
        }

        await context.ChallengeAsync(Scheme(Name), properties);
        context.Response.Headers.CacheControl = "no-store";
    }

    public async Task<string?> SignOutUrlAsync(HttpContext context, SessionOrigin origin, string returnUrl)
    {
        if (!Options.SignOut || origin.SignOutState is not { } state || (await Documents.GetConfigurationAsync(context.RequestAborted)).EndSessionEndpoint is not { Length: > 0 } endpoint)
        {
            return null;
        }

        string hint;
        try
        {
            hint = _protector.Unprotect(state);
        }
        catch (CryptographicException)
        {
            return null;
        }

        // By GET: OpenAM answers a POST with 405. It needs the hint and an exactly registered address.
        var id = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(24));
        var flow = new ExternalFlow(Name, returnUrl, _flows.MarkBrowser(context), _timeProvider.GetUtcNow(), Fresh: false, MaxAge: null, LoginHint: null, LinkSessionId: null, Retried: false);
        await _flows.SaveAsync(ExternalFlows.SignedOut, id, flow, context.RequestAborted);
        return QueryHelpers.AddQueryString(endpoint, new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["id_token_hint"] = hint,
            ["client_id"] = Options.ClientId,
            ["post_logout_redirect_uri"] = $"{_settings.PublicUrl}/external/{Name}/signed-out",
            ["state"] = id,
        });
    }

    public void Dispose()
    {
        _documentsHttp.Dispose();
        _http.Dispose();
    }

    private Task RedirectAsync(RedirectContext redirect)
    {
        // Not from the Host header of whoever asks.
        redirect.ProtocolMessage.RedirectUri = _settings.PublicUrl + CallbackPath;
        redirect.ProtocolMessage.LoginHint = redirect.Properties.GetParameter<string>("login_hint");
        return Task.CompletedTask;
    }

    // RFC 9207 §2.4: before anything else of the answer is believed. A mix-up of two providers shows here, if the path did not show it.
    private async Task ReceiveAsync(MessageReceivedContext received)
    {
        var message = received.ProtocolMessage;
        if (!Options.Enabled)
        {
            // The way was begun before the start that switched it off, and is still known.
            received.Fail(new ExternalRefusal(ExternalProblem.Unknown, "provider", $"Federation:Providers:{Name}:Enabled is false"));
        }
        else if (!HttpMethods.IsGet(received.Request.Method))
        {
            received.Fail(Refused("method", "the answer came by " + (HttpMethods.IsPost(received.Request.Method) ? "POST" : "another method") + ", and GET was asked for"));
        }
        else if (message.Iss is { Length: > 0 } issuer)
        {
            if (!_issuers.Accepts(issuer))
            {
                received.Fail(Refused("iss", $"the answer is of another issuer than Federation:Providers:{Name}:Authority and Issuers name"));
            }
        }
        else if (!(Options.IsOpenAm && message.Error is not null) && await Documents.AnnouncesIssuerAsync(received.HttpContext.RequestAborted))
        {
            received.Fail(Refused("iss", "the provider announces iss in its answers, and this one has none"));
        }
    }

    private async Task RedeemAsync(AuthorizationCodeReceivedContext received)
    {
        // Once, whoever else has the address: OpenAM redeems a code for four at the same time.
        if (received.Properties is null || !received.Properties.Items.TryGetValue(FlowItem, out var id) || await _flows.TakeAsync(ExternalFlows.SignIn, id!, received.HttpContext.RequestAborted) is not { } flow || flow.Provider != Name)
        {
            received.Fail(new ExternalRefusal(ExternalProblem.Expired, "state", "the way back was used before, or is too old"));
            return;
        }

        if (!_flows.IsFrom(received.HttpContext, flow))
        {
            received.Fail(new ExternalRefusal(ExternalProblem.Expired, "browser", "the answer came back in another browser than the one that asked"));
            return;
        }

        received.HttpContext.Items[FlowItem] = flow;
        var configuration = await Documents.GetConfigurationAsync(received.HttpContext.RequestAborted);
        var request = received.TokenEndpointRequest!;
        request.ClientSecret = null;
        if (_authentication.IsBasic)
        {
            request.ClientId = null;
        }

        foreach (var (field, value) in _authentication.Fields(configuration.Issuer, configuration.TokenEndpoint))
        {
            request.SetParameter(field, value);
        }
    }

    private async Task CompleteAsync(TicketReceivedContext received)
    {
        received.HandleResponse();
        var context = received.HttpContext;
        var flow = (ExternalFlow)context.Items[FlowItem]!;
        try
        {
            var response = (OpenIdConnectMessage)context.Items[IdTokenItem]!;
            var person = Person(new JsonWebToken(response.IdToken), context.Items[UserInfoItem] as JsonElement?) with { SignOutState = Options.SignOut ? _protector.Protect(response.IdToken) : null };
            await RevokeAsync(response, context.RequestAborted);
            await _completion.CompleteAsync(context, flow, person, Tokens.Skew);
        }
        catch (ExternalRefusal refusal)
        {
            _failures.Tell(context, Name, refusal, flow.ReturnUrl);
        }
    }

    private ExternalPerson Person(JsonWebToken token, JsonElement? userInfo)
    {
        IReadOnlyList<string> Find(string claim) => userInfo is { } info && info.TryGetProperty(claim, out var told) ? Texts(told) : [.. token.Claims.Where(candidate => candidate.Type == claim).Select(candidate => candidate.Value)];
        var subject = Options.Subject is { } setting && setting.StartsWith("claim:", StringComparison.Ordinal) ? (Find(setting[6..]) is [var first, ..] ? first : null) : token.Subject;
        var realm = Options.IsOpenAm ? OidcTokens.Text(token, "realm") ?? "" : "";
        var person = ExternalClaims.Map(Name, Options, realm, subject ?? "", Find, s_defaults);
        return person with
        {
            AuthenticatedAt = Tokens.AuthenticatedAt(token),
            Amr = Options.WithAcr(OidcTokens.Text(token, "acr"), [.. token.Claims.Where(claim => claim.Type == "amr" && AmrForm().IsMatch(claim.Value)).Select(claim => claim.Value).Take(8)]),
            UpstreamSession = OidcTokens.Text(token, "sid"),
            EmailVerified = Options.TrustEmail || (person.EmailVerified && Tells(person.Email)),
        };

        // §5.1: email_verified tells of the claim email beside it, which need not be the one that the settings take the address from.
        bool Tells(string? address) => Find("email") is [var of, ..] && of == address
            && (userInfo?.TryGetProperty("email_verified", out _) == true || token.Claims.FirstOrDefault(candidate => candidate.Type == "email") is not { } beside || beside.Value == address);
    }

    private static IReadOnlyList<string> Texts(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => [value.GetString()!],
        JsonValueKind.True => ["true"],
        JsonValueKind.False => ["false"],
        JsonValueKind.Number => [value.GetRawText()],
        JsonValueKind.Array => [.. value.EnumerateArray().SelectMany(Texts)],
        _ => [],
    };

    // The refresh token would live on for a week, and past a sign-out: OpenAM gives one out unasked. RFC 7009, which it serves at an address it does not tell.
    private async Task RevokeAsync(OpenIdConnectMessage response, CancellationToken cancellationToken)
    {
        if (response.RefreshToken is not { Length: > 0 } token || !Options.IsOpenAm)
        {
            return;
        }

        var configuration = await Documents.GetConfigurationAsync(cancellationToken);
        var address = configuration.TokenEndpoint.EndsWith("/access_token", StringComparison.Ordinal) ? configuration.TokenEndpoint[..^"/access_token".Length] + "/token/revoke" : null;
        if (address is null)
        {
            return;
        }

        try
        {
            using var content = new FormUrlEncodedContent(_authentication.Fields(configuration.Issuer, configuration.TokenEndpoint).Append(new("token", token)));
            using var answer = await _http.PostAsync(new Uri(address), content, cancellationToken);
            if (!answer.IsSuccessStatusCode)
            {
                _failures.Note(Name, new ExternalRefusal(ExternalProblem.Unavailable, "revoke", $"a refresh token that is not needed could not be revoked: {(int)answer.StatusCode}"));
            }
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            // The person is who they are all the same.
            _failures.Note(Name, new ExternalRefusal(ExternalProblem.Unavailable, "revoke", "a refresh token that is not needed could not be revoked: " + exception.GetType().Name));
        }
    }

    private async Task FailAsync(RemoteFailureContext failed)
    {
        failed.HandleResponse();
        var context = failed.HttpContext;
        var failure = failed.Failure ?? new InvalidOperationException("no reason");
        var error = failure.Data["error"] as string;
        ExternalFlow? flow = context.Items[FlowItem] as ExternalFlow;
        if (flow is null && failed.Properties?.Items.TryGetValue(FlowItem, out var id) == true)
        {
            flow = error is null ? await _flows.PeekAsync(ExternalFlows.SignIn, id!, context.RequestAborted) : await _flows.TakeAsync(ExternalFlows.SignIn, id!, context.RequestAborted);
        }

        if (flow is not null && !_flows.IsFrom(context, flow))
        {
            flow = null;
        }

        // OpenAM answers a max_age that has passed with login_required, having ended its session: one ordinary sign-in then is a new one.
        if (error is "login_required" or "interaction_required" && Options.IsOpenAm && flow is { Retried: false })
        {
            try
            {
                await ChallengeAsync(context, flow with { Retried = true });
                return;
            }
            catch (ExternalRefusal refusal)
            {
                failure = refusal;
                error = null;
            }
        }

        _failures.Tell(context, Name, error is null ? Known(failure) : OfProvider(error), flow?.ReturnUrl);
    }

    // What the handler says of its own checks, in our words.
    private static Exception Known(Exception failure) => failure switch
    {
        AuthenticationFailureException { InnerException: null } when failure.Message.Contains("orrelation", StringComparison.Ordinal) || failure.Message.Contains("message.State", StringComparison.Ordinal) || failure.Message.Contains("Unable to unprotect", StringComparison.Ordinal)
            => new ExternalRefusal(ExternalProblem.Expired, "state", "the way back is not this browser's, was used before, is too old, or is another provider's"),
        OpenIdConnectProtocolInvalidNonceException => new ExternalRefusal(ExternalProblem.Refused, "nonce", "the ID token's nonce is not the one that this browser sent"),
        OpenIdConnectProtocolInvalidAtHashException => new ExternalRefusal(ExternalProblem.Refused, "at_hash", "the ID token was issued with another access token"),
        OpenIdConnectProtocolException when failure.Message.StartsWith("Failed to parse token response body", StringComparison.Ordinal) || failure.Message.StartsWith("Cannot process the message", StringComparison.Ordinal)
            => new ExternalRefusal(ExternalProblem.Unavailable, "answer", "the token endpoint answers what is no token response (a page, a redirect, a fault of its server)"),
        OpenIdConnectProtocolException when failure.Message.Contains("IDX21338", StringComparison.Ordinal) || failure.Message.Contains("userinfo", StringComparison.OrdinalIgnoreCase)
            => new ExternalRefusal(ExternalProblem.Refused, "userinfo", "userinfo tells of somebody else than the ID token"),
        _ => failure,
    };

    private static ExternalRefusal OfProvider(string error) => error switch
    {
        "login_required" or "interaction_required" => new(ExternalProblem.NotFresh, error, "the provider would not ask the person to sign in again"),
        "access_denied" or "consent_required" or "account_selection_required" => new(ExternalProblem.Denied, error, "the person, or the provider for them, said no"),
        "temporarily_unavailable" or "server_error" => new(ExternalProblem.Unavailable, error, "the provider answers that it cannot now"),
        "invalid_client" or "unauthorized_client" => new(ExternalProblem.Setup, error, "the provider does not accept this client: see ClientId, ClientSecret and ClientAuthentication (OpenAM takes only the method that is set at the client)"),
        "redirect_uri_mismatch" or "unsupported_response_type" or "invalid_scope" => new(ExternalProblem.Setup, error, "the client at the provider lacks the redirect URI, the response type code, or one of the scopes"),
        "invalid_grant" => new(ExternalProblem.Expired, error, "the provider does not take its code (any more)"),
        _ => new(ExternalProblem.Refused, ErrorForm().IsMatch(error) ? error : "error", "the provider answers with an error"),
    };

    private static ExternalRefusal Refused(string reason, string detail) => new(ExternalProblem.Refused, reason, detail);

    public async Task<IReadOnlyList<FederationFinding>> CheckAsync(CancellationToken cancellationToken)
    {
        var configuration = await Documents.GetConfigurationAsync(cancellationToken);
        var findings = new List<FederationFinding>();
        var keys = configuration.JsonWebKeySet.Keys;
        var shipped = keys.Count(ShippedKeys.Contains);
        if (shipped > 0)
        {
            findings.Add(new(shipped == keys.Count, shipped == keys.Count ? ShippedKeys.Mending : "the key set still holds OpenAM's shipped key 'test'; what it signs is refused"));
        }

        if (keys.Count == 0)
        {
            findings.Add(new(true, $"{configuration.JwksUri} holds no key"));
        }
        else if (!keys.Any(OidcTokens.IsUsable))
        {
            findings.Add(new(true, $"{configuration.JwksUri} holds no key that can be used: RSA of 2048 bits or more, or EC"));
        }

        if (!configuration.IdTokenSigningAlgValuesSupported.Any(algorithm => algorithm is ['R' or 'P' or 'E', ..]) && configuration.IdTokenSigningAlgValuesSupported.Count > 0)
        {
            findings.Add(new(true, "the provider signs ID tokens with HMAC or not at all; RS256 is needed (docs/openam.md)"));
        }
        else if (configuration.IdTokenSigningAlgValuesSupported.Contains("HS256") && Options.IsOpenAm)
        {
            findings.Add(new(false, "the provider also offers HS256, OpenAM's default for a client: see that this client has RS256 as \"ID Token Signing Algorithm\""));
        }

        if (!configuration.CodeChallengeMethodsSupported().Contains("S256", StringComparer.Ordinal))
        {
            findings.Add(new(false, "PKCE is not announced; in OpenAM switch on \"Code verifier parameter required\" (it redeems codes without verifier by default)"));
        }

        if (!await Documents.AnnouncesIssuerAsync(cancellationToken))
        {
            findings.Add(new(false, "iss in the answers (RFC 9207) is not announced; it is compared where it comes"));
        }

        if (configuration.UserInfoEndpoint is not { Length: > 0 })
        {
            findings.Add(new(false, "there is no userinfo endpoint: only claims of the ID token are mapped"));
        }

        if (configuration.EndSessionEndpoint is not { Length: > 0 } && Options.SignOut)
        {
            findings.Add(new(false, "there is no end_session_endpoint: a sign-out here does not sign out there"));
        }

        if (Documents.Address.StartsWith("http:", StringComparison.Ordinal))
        {
            findings.Add(new(false, "the provider is reached by http: for Development only"));
        }

        findings.Add(new(false, $"register at the provider: redirect URI {_settings.PublicUrl}{CallbackPath}, post-logout redirect URI {_settings.PublicUrl}/external/{Name}/signed-out, back-channel logout URI {_settings.PublicUrl}/external/{Name}/backchannel-logout"));
        return findings;
    }

    [GeneratedRegex("^[A-Za-z0-9_.:-]{1,30}$", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex AmrForm();

    [GeneratedRegex("^[a-z_]{1,40}$", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex ErrorForm();
}

/// <summary>What the library's document has no member for.</summary>
internal static class DiscoveryMembers
{
    public static IReadOnlyList<string> CodeChallengeMethodsSupported(this OpenIdConnectConfiguration configuration) =>
        configuration.AdditionalData.TryGetValue("code_challenge_methods_supported", out var value) && value is JsonElement { ValueKind: JsonValueKind.Array } list
            ? [.. list.EnumerateArray().Where(item => item.ValueKind == JsonValueKind.String).Select(item => item.GetString()!)]
            : value is System.Collections.IEnumerable items and not string ? [.. items.Cast<object>().Select(item => Convert.ToString(item, CultureInfo.InvariantCulture)!)] : [];
}
