// The wire contract's account work for administrators.
using System.Buffers.Text;
using System.Globalization;
using Identity.Accounts;
using Identity.Accounts.Administration;
using Identity.Accounts.Passwords;
using Identity.Accounts.Registration;
using Identity.Accounts.SignIn;
using Identity.Api.Authentication;
using Identity.Api.Contracts;
using Identity.Api.Failures;
using Identity.Api.OpenApi;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Api.Controllers;

/// <summary>GET and POST /users; POST /users/{id}/unlock, /users/{id}/password, /users/{id}/sign-out.</summary>
[Route("api/identity/users")]
[Tags("Administration")]
[Authorize(AuthenticationSchemes = AccessTokenHandler.SchemeName)]
public sealed class UserAdministrationController(
    AccountAdministration administration,
    PasswordService passwords,
    FreshProof proof,
    UserAccess access) : ContractController
{
    private const string ReadScope = "identity.users.read";
    private const string NoUser = "There is no such user.";
    private const string BadToken = "The access token is not valid here: malformed, expired, revoked, or for another service.";
    private const string NotFresh = "One's own password needs currentPassword, or a sign-in of the last ten minutes.";
    private const string NotYours = "This is not yours to see or do.";
    private const int UsualLimit = 50;
    private const int LargestLimit = 200;

    [HttpGet(Name = "listUsers")]
    [EndpointSummary("List and search users")]
    [EndpointDescription("For an administrator, or a client with the scope identity.users.read. search is a piece of the e-mail address, user name, phone number, first or last name, whatever its case. All that is given must hold. limit is 1 to 200, else 50; cursor is the nextCursor of the page before.")]
    [ProducesResponseType<UsersResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.ValidationFailed, "limit must be a number from 1 to 200")]
    [Fails(401, ErrorCodes.InvalidToken, BadToken)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    [Fails(403, ErrorCodes.InsufficientScope, "The access token lacks the scope identity.users.read.")]
    public async Task<IActionResult> ListAsync([FromQuery] string? search, [FromQuery] string? role, [FromQuery] string? isActive, [FromQuery] string? cursor, [FromQuery] string? limit, CancellationToken cancellationToken)
    {
        if (await access.CheckAdminAsync(HttpContext, ReadScope) is { } failure)
        {
            return failure;
        }

        var problems = new List<string>();
        if (search is { Length: > 254 } || search?.Contains('\0', StringComparison.Ordinal) == true)
        {
            problems.Add("search must be shorter than or equal to 254 characters");
        }

        if (role is not null && !AccountRules.IsRole(role))
        {
            problems.Add("role " + AccountRules.RoleRule);
        }

        bool? active = isActive switch { "true" => true, "false" => false, _ => null };
        if (isActive is not (null or "true" or "false"))
        {
            problems.Add("isActive must be true or false");
        }

        Guid? after = null;
        if (cursor is not null && !TryReadCursor(cursor, out after))
        {
            problems.Add("cursor must be the nextCursor of an earlier answer");
        }

        var most = UsualLimit;
        if (limit is not null && !(int.TryParse(limit, NumberStyles.None, CultureInfo.InvariantCulture, out most) && most is >= 1 and <= LargestLimit))
        {
            problems.Add("limit must be a number from 1 to 200");
        }

        if (problems.Count > 0)
        {
            return Failure.Validation(problems);
        }

        var page = await administration.ListAsync(new AccountFilter(search?.Trim(), role, active), after, most, cancellationToken);
        return Success(new UsersResponse([.. page.Items.Select(item => UserResponse.Of(item.Account, item.Metadata))], page.Next is { } next ? Cursor(next) : null));
    }

    [HttpPost(Name = "createUser")]
    [Idempotent]
    [EndpointSummary("Make a user")]
    [EndpointDescription("For administrators. With a password, a passwordHash of another system (bcrypt, Argon2, PBKDF2, scrypt, ASP.NET Core Identity), or neither: then the person asks for a code to set one. A role must exist.")]
    [RequestExample("""{"email":"ada@example.com","passwordHash":"$2b$10$qPdd.SX5B0W4crLYo60HAO9oVhTR1rWySATmvIGcF9mrmqVUrL5yC","firstName":"Ada","emailVerified":true,"isActive":true,"roles":[],"metadata":{"newsletter":true}}""")]
    [ProducesResponseType<UserResponse>(StatusCodes.Status201Created)]
    [Fails(400, ErrorCodes.ValidationFailed, "email must be an email", AccountRules.RolesExistRule)]
    [Fails(401, ErrorCodes.InvalidToken, BadToken)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    [Fails(409, ErrorCodes.EmailTaken, Taken.Email)]
    [Fails(409, ErrorCodes.UsernameTaken, Taken.UserName)]
    [Fails(409, ErrorCodes.PhoneNumberTaken, Taken.PhoneNumber)]
    public async Task<IActionResult> CreateAsync([FromBody] CreateUserRequest request, CancellationToken cancellationToken)
    {
        if (await access.CheckAdminAsync(HttpContext) is { } failure)
        {
            return failure;
        }

        var account = new NewAccount(request.Email, request.Password ?? "", request.UserName, request.PhoneNumber, request.FirstName, request.LastName, request.Metadata);
        var user = new NewUser(account, request.PasswordHash, request.EmailVerified ?? false, request.PhoneNumberVerified ?? false, request.IsActive ?? true, request.Roles ?? []);
        return await administration.CreateAsync(user, Actor(), cancellationToken) switch
        {
            UserCreation.Created created => Created(created.Account, created.Metadata),
            UserCreation.Taken taken => Taken.Failure(taken.Member),
            UserCreation.PasswordRefused refused => Failure.Validation([.. refused.Problems.Select(problem => "password " + problem)]),
            UserCreation.UnknownRole => Failure.Validation([AccountRules.RolesExistRule]),
            _ => throw new InvalidOperationException("An unknown result."),
        };
    }

    [HttpPost("{id}/unlock", Name = "unlockUser")]
    [Idempotent]
    [EndpointSummary("Unlock a user")]
    [EndpointDescription("For administrators. Ends the lock that too many wrong passwords or codes led to, and forgets them.")]
    [ProducesResponseType<SuccessResponse>(StatusCodes.Status200OK)]
    [Fails(401, ErrorCodes.InvalidToken, BadToken)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    [Fails(404, ErrorCodes.UserNotFound, NoUser)]
    public Task<IActionResult> UnlockAsync(string id, CancellationToken cancellationToken) =>
        WithUserAsync(id, async user => await administration.UnlockAsync(user, Actor(), cancellationToken) ? Posted(new SuccessResponse(true)) : null);

    [HttpPost("{id}/sign-out", Name = "signUserOut")]
    [Idempotent]
    [EndpointSummary("Sign a user out everywhere")]
    [EndpointDescription("For administrators. Ends every session of the user, with its tokens.")]
    [ProducesResponseType<SuccessResponse>(StatusCodes.Status200OK)]
    [Fails(401, ErrorCodes.InvalidToken, BadToken)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    [Fails(404, ErrorCodes.UserNotFound, NoUser)]
    public Task<IActionResult> SignOutAsync(string id, CancellationToken cancellationToken) =>
        WithUserAsync(id, async user => await administration.SignOutAsync(user, Actor(), cancellationToken) ? Posted(new SuccessResponse(true)) : null);

    [HttpPost("{id}/password", Name = "setUserPassword")]
    [Idempotent]
    [EndpointSummary("Set a user's password")]
    [EndpointDescription("For administrators. Ends every session of the user, who is told by mail. One's own needs currentPassword, or a sign-in of the last ten minutes.")]
    [RequestExample("""{"newPassword":"staple of another colour"}""")]
    [ProducesResponseType<SuccessResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.ValidationFailed, "newPassword must be at least 8 characters long")]
    [Fails(401, ErrorCodes.InvalidToken, BadToken)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    [Fails(403, ErrorCodes.ReauthenticationRequired, NotFresh)]
    [Fails(404, ErrorCodes.UserNotFound, NoUser)]
    public Task<IActionResult> SetPasswordAsync(string id, [FromBody] SetPasswordRequest request, CancellationToken cancellationToken) =>
        WithUserAsync(id, async user =>
        {
            // An administrator is a person too, where the account is their own: whoever has their token alone must not get their account with it.
            var caller = CallerToken.Of(HttpContext);
            if (caller.AccountId == user && !await proof.ProveAsync(user, new PersonProof(request.CurrentPassword, caller.Token.SessionId), Actor(), cancellationToken))
            {
                return new Failure(StatusCodes.Status403Forbidden, ErrorCodes.ReauthenticationRequired, NotFresh);
            }

            return await passwords.SetAsync(user, request.NewPassword, Actor(), cancellationToken) switch
            {
                null => null,
                PasswordChange.Changed => Posted(new SuccessResponse(true)),
                PasswordChange.Refused refused => Failure.Validation([.. refused.Problems.Select(problem => "newPassword " + problem)]),
                _ => throw new InvalidOperationException("An unknown result."),
            };
        });

    private static string Cursor(Guid id) => Base64Url.EncodeToString(id.ToByteArray(bigEndian: true));

    private static bool TryReadCursor(string cursor, out Guid? after)
    {
        Span<byte> bytes = stackalloc byte[24];
        after = cursor.Length == 22 && Base64Url.IsValid(cursor) && Base64Url.TryDecodeFromChars(cursor, bytes, out var length) && length == 16 ? new Guid(bytes[..16], bigEndian: true) : null;
        return after is not null;
    }

    private async Task<IActionResult> WithUserAsync(string id, Func<Guid, Task<IActionResult?>> work)
    {
        if (await access.CheckAdminAsync(HttpContext) is { } failure)
        {
            return failure;
        }

        return Guid.TryParseExact(id, "D", out var user) && await work(user) is { } answer
            ? answer
            : new Failure(StatusCodes.Status404NotFound, ErrorCodes.UserNotFound, NoUser);
    }
}
