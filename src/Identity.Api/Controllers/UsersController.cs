// RFC 9110 §8.8.3 (ETag) and §13.1.1 (If-Match): changes that do not overwrite each other.
using Identity.Accounts;
using Identity.Accounts.Changes;
using Identity.Accounts.SignIn;
using Identity.Api.Authentication;
using Identity.Api.Contracts;
using Identity.Api.Failures;
using Identity.Api.OpenApi;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Api.Controllers;

/// <summary>GET and PUT /users/{id}, GET /users/me.</summary>
[Route("api/identity/users")]
[Tags("Users")]
[Authorize(AuthenticationSchemes = AccessTokenHandler.SchemeName)]
public sealed class UsersController(AccountChangeService accounts, UserAccess access) : ContractController
{
    private const string ReadScope = "identity.users.read";
    private const string WriteScope = "identity.users.write";
    private const string NoUser = "There is no such user.";
    private const string Changed = "The user has changed since.";
    private const string StepFirst = "Codes of a second step go there. Prove such a step first: POST /api/identity/factors/proof.";
    private const string NotFresh = "email, phoneNumber and userName need currentPassword, or a sign-in of the last ten minutes.";

    [HttpGet("{id}", Name = "getUser")]
    [EndpointSummary("Read a user")]
    [EndpointDescription("For the user, an administrator, or a client with the scope identity.users.read. The ETag is for If-Match.")]
    [ProducesResponseType<UserResponse>(StatusCodes.Status200OK)]
    [Fails(401, ErrorCodes.Unauthorized, "An access token is required.")]
    [Fails(401, ErrorCodes.InvalidToken, "The access token is not valid here: malformed, expired, revoked, or for another service.")]
    [Fails(403, ErrorCodes.Forbidden, "This is not yours to see or do.")]
    [Fails(403, ErrorCodes.InsufficientScope, "The access token lacks the scope identity.users.read.")]
    [Fails(404, ErrorCodes.UserNotFound, NoUser)]
    public async Task<IActionResult> GetAsync(string id, CancellationToken cancellationToken)
    {
        if ((await access.CheckAsync(HttpContext, id, ReadScope)).Failure is { } failure)
        {
            return failure;
        }

        return Guid.TryParseExact(id, "D", out var accountId) && await accounts.FindAsync(accountId, cancellationToken) is { } found
            ? Show(found.Account, found.Metadata)
            : new Failure(StatusCodes.Status404NotFound, ErrorCodes.UserNotFound, NoUser);
    }

    [HttpGet("me", Name = "getMe")]
    [EndpointSummary("Read your own user")]
    [EndpointDescription("The user whose access token it is. Another client's token needs the scope identity.users.read. The ETag is for If-Match.")]
    [ProducesResponseType<UserResponse>(StatusCodes.Status200OK)]
    [Fails(401, ErrorCodes.InvalidToken, "The access token is not valid here: malformed, expired, revoked, or for another service.")]
    [Fails(403, ErrorCodes.Forbidden, "This is not yours to see or do.")]
    [Fails(403, ErrorCodes.InsufficientScope, "The access token lacks the scope identity.users.read.")]
    public Task<IActionResult> GetMeAsync(CancellationToken cancellationToken) =>
        CallerToken.Of(HttpContext).AccountId is { } id
            ? GetAsync(id.ToString("D"), cancellationToken)
            : Task.FromResult<IActionResult>(Failure.OfStatus(StatusCodes.Status403Forbidden));

    [HttpPut("{id}", Name = "updateUser")]
    [EndpointSummary("Change a user")]
    [EndpointDescription("All or nothing. What is absent stays as it is; null removes. metadata is merged at top level. isActive and roles are for administrators, and a role must exist. Members that no PUT sets (password, passwordHash, emailVerified, phoneNumberVerified) are refused by name; unknown and read-only ones are ignored. The user's own change of email, phoneNumber or userName needs currentPassword or a sign-in of the last ten minutes, and where codes of a second step go to the address or number a proof of such a step (POST /factors/proof) besides; a new address or number waits as pendingEmail or pendingPhoneNumber until POST /otp/verify with purpose verification proves it, and the old address is told. An administrator's or a service's change holds at once. With If-Match only the version read before is changed.")]
    [RequestExample("""{"firstName":"Ada","phoneNumber":"+4915112345678","metadata":{"newsletter":null,"theme":"dark"}}""")]
    [ProducesResponseType<UserResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.ValidationFailed, "email must be an email", "password cannot be set here: use POST /password/change, or POST /users/{id}/password as an administrator")]
    [Fails(401, ErrorCodes.InvalidToken, "The access token is not valid here: malformed, expired, revoked, or for another service.")]
    [Fails(403, ErrorCodes.Forbidden, "This is not yours to see or do.")]
    [Fails(403, ErrorCodes.InsufficientScope, "The access token lacks the scope identity.users.write.")]
    [Fails(403, ErrorCodes.ReauthenticationRequired, NotFresh)]
    [Fails(404, ErrorCodes.UserNotFound, NoUser)]
    [Fails(409, ErrorCodes.EmailTaken, Taken.Email)]
    [Fails(409, ErrorCodes.Conflict, Changed)]
    [Fails(409, ErrorCodes.LastAdmin, LastAdmin.Message)]
    [Fails(412, ErrorCodes.PreconditionFailed, Changed)]
    [Fails(429, ErrorCodes.TooManyRequests, "Too many requests. Try again later.")]
    public async Task<IActionResult> PutAsync(string id, [FromBody] UpdateUserRequest request, CancellationToken cancellationToken)
    {
        var allowed = await access.CheckAsync(HttpContext, id, WriteScope);
        if (allowed.Failure is { } failure)
        {
            return failure;
        }

        if (!allowed.IsAdmin && (request.IsActive is not null || request.Roles is not null))
        {
            return new Failure(StatusCodes.Status403Forbidden, ErrorCodes.Forbidden, "isActive and roles are for administrators.");
        }

        if (!Guid.TryParseExact(id, "D", out var accountId) || await accounts.FindAsync(accountId, cancellationToken) is not { } stored)
        {
            return new Failure(StatusCodes.Status404NotFound, ErrorCodes.UserNotFound, NoUser);
        }

        var isConditional = UserVersion.TryReadIfMatch(Request, stored.Account, out var expectedVersion, out var matches);
        if (!matches)
        {
            return new Failure(StatusCodes.Status412PreconditionFailed, ErrorCodes.PreconditionFailed, Changed);
        }

        var callerToken = CallerToken.Of(HttpContext);
        var token = callerToken.Token;
        var caller = Caller() with { ClientId = token.ClientId, ActorId = token.Subject };
        return await accounts.ChangeAsync(accountId, Change(request) with { ByPerson = Proof(callerToken, accountId, request) }, expectedVersion, caller, cancellationToken) switch
        {
            AccountChangeResult.ReauthenticationRequired => new Failure(StatusCodes.Status403Forbidden, ErrorCodes.ReauthenticationRequired, NotFresh),
            AccountChangeResult.SecondStepRequired => new Failure(StatusCodes.Status403Forbidden, ErrorCodes.ReauthenticationRequired, StepFirst),
            AccountChangeResult.Changed changed => Show(changed.Account, changed.Metadata),
            AccountChangeResult.Taken taken => Taken.Failure(taken.Member),
            AccountChangeResult.MetadataTooLarge => Failure.Validation(["metadata " + AccountRules.MetadataRule]),
            AccountChangeResult.LastAdmin => LastAdmin.Failure,
            AccountChangeResult.UserNameIsNumber => Failure.Validation(["userName " + AccountRules.UserNameIsNumberRule]),
            AccountChangeResult.RateLimited limited => Failure.TooManyRequests(limited.RetryAfter),
            AccountChangeResult.UnknownRole => Failure.Validation([AccountRules.RolesExistRule]),
            AccountChangeResult.NotFound => new Failure(StatusCodes.Status404NotFound, ErrorCodes.UserNotFound, NoUser),
            AccountChangeResult.Conflict => isConditional
                ? new Failure(StatusCodes.Status412PreconditionFailed, ErrorCodes.PreconditionFailed, Changed)
                : new Failure(StatusCodes.Status409Conflict, ErrorCodes.Conflict, Changed),
            _ => throw new InvalidOperationException("An unknown result."),
        };
    }

    // An administrator is a person too, where the account is their own. What an application was lent is not a sign-in at ours, however fresh.
    private static PersonProof? Proof(CallerToken caller, Guid accountId, UpdateUserRequest request) =>
        caller.AccountId == accountId ? new PersonProof(request.CurrentPassword, caller.IsFirstParty ? caller.Token.SessionId : null) : null;

    private static AccountChange Change(UpdateUserRequest request)
    {
        return new()
        {
            Email = Of("email", request.Email),
            UserName = Of("userName", request.UserName),
            PhoneNumber = Of("phoneNumber", request.PhoneNumber),
            FirstName = Of("firstName", request.FirstName),
            LastName = Of("lastName", request.LastName),
            Metadata = request.Metadata,
            IsActive = request.IsActive,
            Roles = request.Roles,
        };

        Change<string> Of(string name, string? value) => request.Sent.Contains(name) ? new(IsSet: true, value) : default;
    }

    private IActionResult Show(Account account, System.Text.Json.Nodes.JsonObject metadata)
    {
        Response.Headers.ETag = UserVersion.Tag(account);
        return Success(UserResponse.Of(account, metadata));
    }
}
