// The authorization server: OpenIddict's endpoints, flows, lifetimes and keys, and our handlers in order. The table of contents of this project.
using Identity.Accounts.Data.Tables;
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.OAuth.Device;
using Identity.OAuth.Discovery;
using Identity.OAuth.DPoP;
using Identity.OAuth.FirstParty;
using Identity.OAuth.Introspection;
using Identity.OAuth.Keys;
using Identity.OAuth.Refresh;
using Identity.OAuth.Requests;
using Identity.OAuth.Revocation;
using Identity.OAuth.Storage;
using Identity.OAuth.Token;
using Identity.OAuth.Tokens;
using Identity.OAuth.UserInfo;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using OpenIddict.Abstractions;
using OpenIddict.EntityFrameworkCore;
using OpenIddict.Server;
using OpenIddict.Server.AspNetCore;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;
using BuiltIn = OpenIddict.Server.OpenIddictServerHandlers;
using Host = OpenIddict.Server.AspNetCore.OpenIddictServerAspNetCoreHandlers;

namespace Identity.OAuth;

/// <summary>OpenIddict, as this service sets it up.</summary>
internal static class OAuthServer
{
    public static void AddOAuthServer(this IServiceCollection services)
    {
        services.AddScoped<IOpenIddictServerDispatcher, Dispatcher>();
        services.AddSingleton<RequireProof>();
        services.AddSingleton<RequirePresentedToken>();
        services.AddSingleton<RequireReferenceFormat>();
        services.AddSingleton<RequireRequestObject>();
        services.AddSingleton<RequireOpenedObject>();
        services.AddSingleton<RequireUnreadToken>();
        services.AddOpenIddict().AddCore(AddCore).AddServer(AddServer);
        services.AddScoped<IOpenIddictEntityFrameworkCoreContext, ScopedContext>();
        services.AddSingleton<PublishedKeys>();
        services.AddSingleton<IConfigureOptions<OpenIddictServerOptions>>(provider => provider.GetRequiredService<PublishedKeys>());
        services.AddSingleton<IOptionsChangeTokenSource<OpenIddictServerOptions>>(provider => provider.GetRequiredService<PublishedKeys>());
        services.AddOptions<OpenIddictServerOptions>().Configure<IOptions<OAuthOptions>, TimeProvider>(SetLifetimes);

        // RFC 7617 §2: a challenge for Basic names a realm.
        services.AddOptions<OpenIddictServerAspNetCoreOptions>().Configure<IOptions<OAuthOptions>>((options, ours) => options.Realm = ours.Value.Issuer);
    }

    // Applications, authorizations, scopes and tokens, in our database.
    private static void AddCore(OpenIddictCoreBuilder core)
    {
        core.UseEntityFrameworkCore().ReplaceDefaultEntities<OAuthApplication, OAuthAuthorization, OAuthScope, OAuthToken, Guid>();
        core.SetDefaultApplicationEntity<OAuthApplication>().SetDefaultAuthorizationEntity<OAuthAuthorization>().SetDefaultScopeEntity<OAuthScope>().SetDefaultTokenEntity<OAuthToken>();
        core.ReplaceApplicationStore<OAuthApplication, ApplicationStore>();
        core.ReplaceApplicationManager<OAuthApplication, ApplicationManager>();
        core.ReplaceAuthorizationStore<OAuthAuthorization, AuthorizationStore>();
        core.Services.AddSingleton<TokenQueries>();
        core.ReplaceTokenStore<OAuthToken, TokenStore>();
        core.ReplaceTokenManager<OAuthToken, TokenManager>();

        core.Services.AddSingleton<IOpenIddictApplicationCache<OAuthApplication>, ApplicationCache>();

        // The stores compare byte by byte and cache where it pays.
        core.Configure(options => options.DisableAdditionalFiltering = options.DisableEntityCaching = true);
    }

    private static void AddServer(OpenIddictServerBuilder server)
    {
        // Endpoints: the first address is announced, the others answer too.
        server.SetConfigurationEndpointUris(ProtocolEndpoints.Configuration, ProtocolEndpoints.AuthorizationServer)
            .SetJsonWebKeySetEndpointUris(ProtocolEndpoints.JsonWebKeySet)
            .SetAuthorizationEndpointUris(ProtocolEndpoints.Authorization)
            .SetTokenEndpointUris([ProtocolEndpoints.Token, .. FirstPartyClient.TokenRoutes.Select(route => route[1..])])
            .SetPushedAuthorizationEndpointUris(ProtocolEndpoints.PushedAuthorization)
            .SetDeviceAuthorizationEndpointUris(ProtocolEndpoints.DeviceAuthorization, ProtocolEndpoints.DeviceAuthorizationAlias)
            .SetEndUserVerificationEndpointUris(ProtocolEndpoints.EndUserVerification)
            .SetUserInfoEndpointUris(ProtocolEndpoints.UserInfo)
            .SetIntrospectionEndpointUris(ProtocolEndpoints.Introspection)
            .SetRevocationEndpointUris(ProtocolEndpoints.Revocation, ProtocolEndpoints.RevocationAlias)
            .SetEndSessionEndpointUris(ProtocolEndpoints.EndSession, ProtocolEndpoints.EndSessionAlias);

        // Flows.
        server.AllowAuthorizationCodeFlow().AllowRefreshTokenFlow().AllowClientCredentialsFlow().AllowDeviceAuthorizationFlow().AllowTokenExchangeFlow().AllowCustomFlow(FirstPartyClient.GrantType);
        server.Configure(options =>
        {
            options.CodeChallengeMethods.Remove(CodeChallengeMethods.Plain);
            options.ResponseModes.UnionWith(SignedModes.All);
            // RFC 8693: access tokens for access tokens.
            foreach (var types in (HashSet<string>[])[options.SubjectTokenTypes, options.ActorTokenTypes, options.RequestedTokenTypes])
            {
                types.Clear();
                types.Add(TokenTypeIdentifiers.AccessToken);
            }

            options.SubjectTokenTypes.Add(OpenAmExchange.TokenType);

            options.ClientAuthenticationMethods.Clear();
            options.ClientAuthenticationMethods.UnionWith([ClientAuthenticationMethods.ClientSecretBasic, ClientAuthenticationMethods.ClientSecretPost, ClientAuthenticationMethods.PrivateKeyJwt, ClientAuthenticationMethods.None]);
        });

        // Initiating User Registration 1.0, beside the four of OpenID Connect Core.
        server.RegisterPromptValues("create");
        UserCodes.Describe(server);

        // Access tokens are read by APIs; scopes, resources and rotation are ours to decide.
        server.DisableAccessTokenEncryption().DisableScopeValidation().DisableResourceValidation().DisableAudienceValidation();
        server.IgnoreScopePermissions().IgnoreResourcePermissions().IgnoreAudiencePermissions();
        server.DisableRollingRefreshTokens().DisableSlidingRefreshTokenExpiration();

        // The pages of the host decide at these three, and tell errors.
        server.UseAspNetCore()
            .EnableAuthorizationEndpointPassthrough()
            .EnableEndSessionEndpointPassthrough()
            .EnableEndUserVerificationEndpointPassthrough()
            .EnableStatusCodePagesIntegration()
            .SuppressJsonResponseIndentation()
            .DisableTransportSecurityRequirement();

        AddHandlers(server);
    }

    private static void SetLifetimes(OpenIddictServerOptions options, IOptions<OAuthOptions> ours, TimeProvider timeProvider)
    {
        options.Issuer = new Uri(ours.Value.Issuer);
        options.TimeProvider = timeProvider;
        options.AuthorizationCodeLifetime = ours.Value.CodeLifetime;
        options.AccessTokenLifetime = ours.Value.AccessTokenLifetime;
        options.IdentityTokenLifetime = ours.Value.IdTokenLifetime;
        options.RefreshTokenLifetime = ours.Value.RefreshTokenLifetime;
        options.DeviceCodeLifetime = options.UserCodeLifetime = ours.Value.DeviceCodeLifetime;
        options.RequestTokenLifetime = TimeSpan.FromSeconds(60);
    }

    // A handler is in the file of its name, whose first line says which built-in it follows or replaces, and why. What is only taken out is told here.
    private static void AddHandlers(OpenIddictServerBuilder server)
    {
        // Reading requests.
        Replace(server, Host.ResolveRequestUri.Descriptor, InferEndpoint.Descriptor);
        server.RemoveEventHandler(BuiltIn.InferEndpointType.Descriptor); // InferEndpoint does both.
        Replace(server, Host.ExtractPostRequest<ExtractTokenRequestContext>.Descriptor, ExtractTokenParameters.Descriptor);
        server.AddEventHandler(FirstPartyHasNoCredentials.Descriptor);

        // Clients.
        server.AddEventHandler(AuthenticationRules.Descriptor);
        Replace(server, BuiltIn.ValidateClientCertificate.Descriptor, CertificateRules.Descriptor);
        server.AddEventHandler(GrantPermission.Descriptor);
        server.AddEventHandler(ReadProof.Descriptor);
        server.RemoveEventHandler(BuiltIn.ValidateClientAssertionWellknownClaims.Descriptor); // ReadTokens has held an assertion to RFC 7523 §3, more strictly.
        Replace(server, BuiltIn.ValidateClientAssertionIssuer.Descriptor, AssertedClient.Descriptor);

        // They want a secret or an assertion, which a client that is known by its certificate has not. AuthenticationRules asks each for what it is registered for.
        server.RemoveEventHandler(BuiltIn.Exchange.ValidateClientCredentialsParameters.Descriptor);
        server.RemoveEventHandler(BuiltIn.Device.ValidateClientCredentialsParameters.Descriptor);
        server.RemoveEventHandler(BuiltIn.Introspection.ValidateClientCredentialsParameters.Descriptor);
        server.RemoveEventHandler(BuiltIn.Revocation.ValidateClientCredentialsParameters.Descriptor);

        // They refuse offline_access to clients without the refresh grant, which OpenID Connect Core §11 ignores. AuthorizeRules, ApplyDeviceRules and GrantPermission ask for the grant itself.
        server.RemoveEventHandler(BuiltIn.Authentication.ValidateGrantTypePermissions.Descriptor);
        server.RemoveEventHandler(BuiltIn.Authentication.ValidatePushedGrantTypePermissions.Descriptor);
        server.RemoveEventHandler(BuiltIn.Device.ValidateGrantTypePermissions.Descriptor);
        server.RemoveEventHandler(BuiltIn.Exchange.ValidateGrantTypePermissions.Descriptor);

        // Any token that is presented.
        server.AddEventHandler(ReadTokens.Descriptor);
        Replace(server, BuiltIn.Protection.ValidateReferenceTokenIdentifier.Descriptor, FindTokenEntry.Descriptor);
        server.RemoveEventHandler(BuiltIn.Protection.ValidateAuthorizationEntry.Descriptor); // The grants read the family, and whether it is revoked, with the token.
        server.AddEventHandler(PresenterFirst.Descriptor);
        Replace(server, BuiltIn.Protection.ValidateProofOfPossession.Descriptor, ProvePossession.Descriptor);
        server.AddEventHandler(DetectReplay.Descriptor);
        server.AddEventHandler(DevicePolls.Descriptor);
        server.AddEventHandler(PresentedInTime.Descriptor);
        server.AddEventHandler(EndAtExpiry.Descriptor);

        // Authorize.
        server.AddEventHandler(OpenRequestObject<ExtractAuthorizationRequestContext>.Descriptor);
        server.RemoveEventHandler(BuiltIn.Authentication.ValidateRequestParameter.Descriptor); // It refuses every request object.
        server.AddEventHandler(OpenRequestObject<ExtractPushedAuthorizationRequestContext>.Descriptor);
        server.RemoveEventHandler(BuiltIn.Authentication.ValidatePushedRequestParameter.Descriptor); // So does it.
        server.AddEventHandler(ApplyAuthorizeRules.Descriptor);
        server.AddEventHandler(ApplyPushedRules.Descriptor);
        server.AddEventHandler(RedirectErrors.Descriptor);
        Replace(server, BuiltIn.Authentication.AttachIssuer.Descriptor, AttachIssuerToAnswer.Descriptor);
        server.AddEventHandler(AttachSessionState.Descriptor);
        server.AddEventHandler(SignAnswer.Descriptor);

        // Devices: asking, and a person's answer at another screen.
        server.AddEventHandler(ApplyDeviceRules.Descriptor);
        server.AddEventHandler(AttachDeviceRequest.Descriptor);
        server.AddEventHandler(TellInterval.Descriptor);
        server.AddEventHandler(ReadUserCode.Descriptor);
        Replace(server, BuiltIn.UpdateReferenceDeviceCodeEntry.Descriptor, ApproveDeviceCode.Descriptor);
        Replace(server, BuiltIn.RejectDeviceCodeEntry.Descriptor, DenyDeviceCode.Descriptor);
        server.RemoveEventHandler(BuiltIn.RejectUserCodeEntry.Descriptor); // DenyDeviceCode does both.

        // Token: what must be proven, and by whom.
        Replace(server, BuiltIn.Exchange.ValidateRedirectUri.Descriptor, CodeRules.Descriptor);
        server.RemoveEventHandler(BuiltIn.Exchange.ValidateCodeVerifier.Descriptor); // CodeRules does these three.
        server.RemoveEventHandler(BuiltIn.Exchange.ValidateProofKeyForCodeExchangeRequirement.Descriptor);
        server.RemoveEventHandler(BuiltIn.Exchange.ValidateScopeParameter.Descriptor); // It refuses a scope beside a code, which many libraries send and RFC 6749 §3.2 ignores.
        server.RemoveEventHandler(BuiltIn.Exchange.ValidateGrantedScopes.Descriptor); // The grants narrow what was granted, and tell invalid_scope where more is asked.
        server.AddEventHandler(HandleGrants.Descriptor);

        // Token: making them.
        server.AddEventHandler(SpendRequestObject.Descriptor);
        Replace(server, BuiltIn.RedeemTokenEntry.Descriptor, RedeemTokens.Descriptor);
        server.AddEventHandler(RefreshDue.Descriptor);
        Replace(server, BuiltIn.AttachAuthorization.Descriptor, AttachFamily.Descriptor);
        server.AddEventHandler(AccessTokenPrincipal.Descriptor);
        server.AddEventHandler(TokenCredentials.Descriptor);
        Replace(server, BuiltIn.Protection.CreateTokenEntry.Descriptor, NameTokenEntry.Descriptor);
        Replace(server, BuiltIn.Protection.AttachTokenMetadata.Descriptor, TokenClaims.Descriptor);
        server.RemoveEventHandler(BuiltIn.Protection.AttachTokenSubject.Descriptor); // TokenClaims does both.
        server.AddEventHandler(ReferenceToken.Descriptor);
        Replace(server, BuiltIn.Protection.AttachTokenPayload.Descriptor, WriteTokenEntry.Descriptor);
        server.AddEventHandler(TellScope.Descriptor);

        // Introspection, revocation, userinfo.
        server.RemoveEventHandler(BuiltIn.Introspection.ValidateTokenType.Descriptor); // MaySee does both.
        Replace(server, BuiltIn.Introspection.ValidateAuthorizedParty.Descriptor, MaySee.Descriptor);
        Replace(server, BuiltIn.Introspection.AttachMetadataClaims.Descriptor, DescribeToken.Descriptor);
        server.RemoveEventHandler(BuiltIn.Introspection.AttachApplicationClaims.Descriptor); // DescribeToken does both.
        server.AddEventHandler(SignedAnswer.Descriptor);
        server.AddEventHandler(Host.AttachCacheControlHeader<ApplyIntrospectionResponseContext>.Descriptor);
        server.RemoveEventHandler(BuiltIn.Revocation.ValidateTokenType.Descriptor); // RevokeTokens does these three.
        server.RemoveEventHandler(BuiltIn.Revocation.ValidateAuthorizedParty.Descriptor);
        Replace(server, BuiltIn.Revocation.RevokeToken.Descriptor, RevokeTokens.Descriptor);
        Replace(server, Host.ExtractGetOrPostRequest<ExtractUserInfoRequestContext>.Descriptor, ExtractBearer.Descriptor);
        server.RemoveEventHandler(Host.ExtractAccessToken<ExtractUserInfoRequestContext>.Descriptor); // ExtractBearer does both.
        server.AddEventHandler(RequireOpenId.Descriptor);
        server.RemoveEventHandler(BuiltIn.UserInfo.AttachAudiences.Descriptor); // DescribePerson does both.
        Replace(server, BuiltIn.UserInfo.AttachClaims.Descriptor, DescribePerson.Descriptor);
        server.AddEventHandler(Host.AttachCacheControlHeader<ApplyUserInfoResponseContext>.Descriptor);
        server.AddEventHandler(ChallengeByDPoP.Descriptor);
        Replace(server, Host.ProcessChallengeErrorResponse<ApplyUserInfoResponseContext>.Descriptor, TellRefusal.Descriptor);

        // Discovery.
        server.AddEventHandler(DescribeServer.Descriptor);
        server.AddEventHandler(WriteIssuer.Descriptor);

        // Sign-out is decided by the host: a page says what is wrong with a request.
        server.RemoveEventHandler(BuiltIn.Session.ValidatePostLogoutRedirectUriParameter.Descriptor);
        server.RemoveEventHandler(BuiltIn.Session.ValidateClientPostLogoutRedirectUri.Descriptor);
        server.RemoveEventHandler(BuiltIn.Session.ValidateAuthorizedParty.Descriptor);

        // What refusals say.
        server.AddEventHandler(TellDeadReference.Descriptor);
        server.AddEventHandler(WordErrors<ApplyAuthorizationResponseContext>.Descriptor);
        server.AddEventHandler(WordErrors<ApplyPushedAuthorizationResponseContext>.Descriptor);
        server.AddEventHandler(WordErrors<ApplyDeviceAuthorizationResponseContext>.Descriptor);
        server.AddEventHandler(WordErrors<ApplyEndUserVerificationResponseContext>.Descriptor);
        server.AddEventHandler(WordErrors<ApplyTokenResponseContext>.Descriptor);
        server.AddEventHandler(CountTokens.Descriptor);
        server.AddEventHandler(WordErrors<ApplyIntrospectionResponseContext>.Descriptor);
        server.AddEventHandler(WordErrors<ApplyRevocationResponseContext>.Descriptor);
        server.AddEventHandler(WordErrors<ApplyUserInfoResponseContext>.Descriptor);
        server.AddEventHandler(WordErrors<ApplyEndSessionResponseContext>.Descriptor);
    }

    private static void Replace(OpenIddictServerBuilder server, OpenIddictServerHandlerDescriptor builtIn, OpenIddictServerHandlerDescriptor ours) =>
        server.RemoveEventHandler(builtIn).AddEventHandler(ours);
}
