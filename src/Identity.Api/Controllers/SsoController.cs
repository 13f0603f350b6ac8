using Identity.Accounts;
using Identity.Accounts.ExternalSignIn;
using Identity.Accounts.RateLimits;
using Identity.Api.Contracts;
using Identity.Api.Failures;
using Identity.Api.OpenApi;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Filters;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Identity.Api.Controllers;

/// <summary>POST /sso/openam: signs in whoever has an OpenAM session. Not there unless the settings name an OpenAM for it.</summary>
[Route("api/identity/sso")]
[Tags("Sign-in")]
[OnlyWithOpenAm]
public sealed class SsoController(ExternalSignInService signIn, TokenAnswers answers, IRateLimiter limiter, IOptions<AccountsOptions> options) : ContractController
{
    private const string WrongToken = "The session token is not valid.";
    private const string NotLinked = "There is no account for this person yet, or its owner has to connect it first on the account page.";
    private const string UnverifiedEmail = "The email address must be verified first.";
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(5);

    [HttpPost("openam", Name = "signInWithOpenAm")]
    [EndpointSummary("Sign in with an OpenAM session")]
    [EndpointDescription("Takes the value of the OpenAM session cookie. OpenAM is asked whether it is valid and of which realm; while it is away nobody is signed in. Where the account needs a second factor the answer is 401 mfa_required, and login finishes it as it does after a password. 404 where no OpenAM is configured.")]
    [RequestExample("""{"ssoToken":"AQIC5wM2LY4SfcwITAonKhac9rvJwfadIjk9zNmsvC1EYwY.*AAJTSQACMDEAAlNLABM4MjIzMjEwODA4MTY5MzgzMDEyAAJTMQAA*"}""")]
    [ProducesResponseType<TokensResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.ValidationFailed, "ssoToken should not be empty")]
    [Fails(401, ErrorCodes.InvalidSsoToken, WrongToken)]
    [Fails(401, ErrorCodes.MfaRequired, "A second factor is required.")]
    [Fails(403, ErrorCodes.AccountNotLinked, NotLinked)]
    [Fails(403, ErrorCodes.EmailNotVerified, UnverifiedEmail)]
    [Fails(404, ErrorCodes.NotFound, "There is nothing at this address.")]
    [Fails(429, ErrorCodes.TooManyRequests, "Too many requests. Try again later.")]
    public async Task<IActionResult> OpenAmAsync([FromBody] SsoRequest request, [FromServices] OpenAmSessionTokens tokens, CancellationToken cancellationToken)
    {
        var caller = Caller();
        if (await limiter.AcquireAsync("sso", caller.From, options.Value.SignInsPerAddress, TimeSpan.FromMinutes(1), cancellationToken) is { Allowed: false } lease)
        {
            return Failure.TooManyRequests(lease.RetryAfter);
        }

        switch (await tokens.ProveAsync(request.SsoToken, cancellationToken))
        {
            case OpenAmProof.Proved proved:
                return await SignInAsync(proved.Person, tokens.Settings.Lifetime, caller, cancellationToken);
            case OpenAmProof.Unavailable:
                return new Failure(StatusCodes.Status503ServiceUnavailable, ErrorCodes.ServiceUnavailable, "OpenAM cannot be asked now. Try again later.") { RetryAfter = RetryAfter };
            default:
                return new Failure(StatusCodes.Status401Unauthorized, ErrorCodes.InvalidSsoToken, WrongToken);
        }
    }

    private async Task<IActionResult> SignInAsync(ExternalPerson person, TimeSpan lifetime, Caller caller, CancellationToken cancellationToken)
    {
        switch (await signIn.SignInAsync(person, caller, cancellationToken, lifetime))
        {
            case ExternalSignInResult.SignedIn signedIn:
                return await answers.ForNewSessionAsync(signedIn.Account, signedIn.Session, cancellationToken, lifetime);
            case ExternalSignInResult.SecondFactorDue due:
                return Failure.MfaRequired(due.Half);
            case ExternalSignInResult.EmailNotVerified:
                return new Failure(StatusCodes.Status403Forbidden, ErrorCodes.EmailNotVerified, UnverifiedEmail);
            case ExternalSignInResult.Disabled:
                return new Failure(StatusCodes.Status401Unauthorized, ErrorCodes.InvalidSsoToken, WrongToken);
            default:
                return new Failure(StatusCodes.Status403Forbidden, ErrorCodes.AccountNotLinked, NotLinked);
        }
    }
}

/// <summary>Before anything of the request is looked at: the route is not there where no OpenAM is.</summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class OnlyWithOpenAmAttribute : Attribute, IResourceFilter
{
    public void OnResourceExecuting(ResourceExecutingContext context)
    {
        if (context.HttpContext.RequestServices.GetService<OpenAmSessionTokens>() is null)
        {
            context.Result = Failure.OfStatus(StatusCodes.Status404NotFound);
        }
    }

    public void OnResourceExecuted(ResourceExecutedContext context)
    {
    }
}
