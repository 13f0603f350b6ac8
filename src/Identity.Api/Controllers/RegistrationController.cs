using Identity.Accounts;
using Identity.Accounts.Registration;
using Identity.Api.Contracts;
using Identity.Api.Failures;
using Identity.Api.OpenApi;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Api.Controllers;

/// <summary>POST /register.</summary>
[Route("api/identity/register")]
[Tags("Accounts")]
public sealed class RegistrationController(RegistrationService registration, RegistrationProof proof) : ContractController
{
    [HttpPost(Name = "register")]
    [Idempotent]
    [EndpointSummary("Register an account")]
    [EndpointDescription("Answers with the user. Where existing accounts are concealed (Accounts:ConcealExistingAccounts) it does so for a taken address, user name or phone number as well, and the address is told by mail. The header Registration-Ticket of the answer, sent back with the code to otp/verify within the hour, shows that whoever registered has the mailbox: what is on the account is theirs from then on.")]
    [RequestExample("""{"email":"ada@example.com","password":"correct horse battery","userName":"ada","firstName":"Ada","lastName":"Lovelace","metadata":{"newsletter":true}}""")]
    [ProducesResponseType<UserResponse>(StatusCodes.Status201Created)]
    [Fails(400, ErrorCodes.ValidationFailed, "email must be an email", "password must be at least 8 characters long")]
    [Fails(400, ErrorCodes.InvalidJson, "The body is not valid JSON, nests deeper than 32 levels, or repeats a member.")]
    [Fails(409, ErrorCodes.EmailTaken, Taken.Email)]
    [Fails(409, ErrorCodes.UsernameTaken, Taken.UserName)]
    [Fails(409, ErrorCodes.PhoneNumberTaken, Taken.PhoneNumber)]
    [Fails(429, ErrorCodes.TooManyRequests, "Too many requests. Try again later.")]
    public async Task<IActionResult> RegisterAsync([FromBody] RegisterRequest request, CancellationToken cancellationToken)
    {
        var account = new NewAccount(request.Email, request.Password, request.UserName, request.PhoneNumber, request.FirstName, request.LastName, request.Metadata);
        return await registration.RegisterAsync(account, conceal: false, Caller(), cancellationToken) switch
        {
            RegistrationResult.Created created => Registered(created),
            RegistrationResult.Taken taken => Taken.Failure(taken.Member),
            RegistrationResult.PasswordRefused refused => Failure.Validation([.. refused.Problems.Select(problem => "password " + problem)]),
            RegistrationResult.MetadataTooLarge => Failure.Validation(["metadata " + AccountRules.MetadataRule]),
            RegistrationResult.RateLimited limited => Failure.TooManyRequests(limited.RetryAfter),
            _ => throw new InvalidOperationException("An unknown result."),
        };
    }

    private IActionResult Registered(RegistrationResult.Created created)
    {
        proof.Give(Response, created.Account.Id);
        return Created(created.Account, created.Metadata);
    }
}

/// <summary>409 for what must be unique.</summary>
internal static class Taken
{
    public const string Email = "An account with this email exists.";
    public const string UserName = "An account with this user name exists.";
    public const string PhoneNumber = "An account with this phone number exists.";

    public static Failure Failure(AccountWrite member) => member switch
    {
        AccountWrite.EmailTaken => new(StatusCodes.Status409Conflict, ErrorCodes.EmailTaken, Email),
        AccountWrite.UserNameTaken => new(StatusCodes.Status409Conflict, ErrorCodes.UsernameTaken, UserName),
        AccountWrite.PhoneNumberTaken => new(StatusCodes.Status409Conflict, ErrorCodes.PhoneNumberTaken, PhoneNumber),
        _ => throw new ArgumentOutOfRangeException(nameof(member)),
    };
}

/// <summary>Somebody has to be left who can let the others in.</summary>
internal static class LastAdmin
{
    public const string Message = "This is the last active administrator: give somebody else the role admin first.";

    public static Failure Failure => new(StatusCodes.Status409Conflict, ErrorCodes.LastAdmin, Message);
}
