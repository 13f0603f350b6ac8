// RFC 9110 §8.8.3 (ETag) and §13.1.1 (If-Match): changes that do not overwrite each other.
using System.Globalization;
using Identity.Accounts;
using Identity.Accounts.Changes;
using Identity.Api.Authentication;
using Identity.Api.Contracts;
using Identity.Api.Failures;
using Identity.Api.OpenApi;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Net.Http.Headers;

namespace Identity.Api.Controllers;

/// <summary>GET and PUT /users/{id}.</summary>
[Route("api/identity/users")]
[Tags("Users")]
[Authorize(AuthenticationSchemes = AccessTokenHandler.SchemeName)]
public sealed class UsersController(IAccountChanges accounts, UserAccess access) : ContractController
{
    private const string ReadScope = "identity.users.read";
    private const string WriteScope = "identity.users.write";
    private const string NoUser = "There is no such user.";
    private const string Changed = "The user has changed since.";

    [HttpGet("{id}")]
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

    [HttpPut("{id}")]
    [EndpointSummary("Change a user")]
    [EndpointDescription("What is absent stays as it is; null removes. metadata is merged at top level. isActive and roles are for administrators. With If-Match only the version read before is changed.")]
    [RequestExample("""{"firstName":"Ada","phoneNumber":"+4915112345678","metadata":{"newsletter":null,"theme":"dark"}}""")]
    [ProducesResponseType<UserResponse>(StatusCodes.Status200OK)]
    [Fails(400, ErrorCodes.ValidationFailed, "email must be an email")]
    [Fails(401, ErrorCodes.InvalidToken, "The access token is not valid here: malformed, expired, revoked, or for another service.")]
    [Fails(403, ErrorCodes.Forbidden, "This is not yours to see or do.")]
    [Fails(403, ErrorCodes.InsufficientScope, "The access token lacks the scope identity.users.write.")]
    [Fails(404, ErrorCodes.UserNotFound, NoUser)]
    [Fails(409, ErrorCodes.EmailTaken, Taken.Email)]
    [Fails(409, ErrorCodes.Conflict, Changed)]
    [Fails(412, ErrorCodes.PreconditionFailed, Changed)]
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

        var isConditional = TryReadIfMatch(stored.Account, out var expectedVersion, out var matches);
        if (!matches)
        {
            return new Failure(StatusCodes.Status412PreconditionFailed, ErrorCodes.PreconditionFailed, Changed);
        }

        var token = CallerToken.Of(HttpContext).Token;
        var caller = Caller() with { ClientId = token.ClientId, ActorId = token.Subject };
        return await accounts.ChangeAsync(accountId, Change(request), expectedVersion, caller, cancellationToken) switch
        {
            AccountChangeResult.Changed changed => Show(changed.Account, changed.Metadata),
            AccountChangeResult.Taken taken => Taken.Failure(taken.Member),
            AccountChangeResult.MetadataTooLarge => Failure.Validation(["metadata must not be larger than 16384 bytes"]),
            AccountChangeResult.NotFound => new Failure(StatusCodes.Status404NotFound, ErrorCodes.UserNotFound, NoUser),
            AccountChangeResult.Conflict => isConditional
                ? new Failure(StatusCodes.Status412PreconditionFailed, ErrorCodes.PreconditionFailed, Changed)
                : new Failure(StatusCodes.Status409Conflict, ErrorCodes.Conflict, Changed),
            _ => throw new InvalidOperationException("An unknown result."),
        };
    }

    private static string ETag(Account account) => string.Create(CultureInfo.InvariantCulture, $"\"{account.Version}\"");

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

    // §13.1.1: strong comparison, so a weak tag matches nothing; * matches whatever there is.
    private bool TryReadIfMatch(Account account, out long? expectedVersion, out bool matches)
    {
        (expectedVersion, matches) = (null, true);
        var header = Request.Headers.IfMatch;
        if (header.Count == 0)
        {
            return false;
        }

        if (!EntityTagHeaderValue.TryParseStrictList(header, out var tags))
        {
            matches = false;
            return true;
        }

        if (tags.Any(tag => tag.Equals(EntityTagHeaderValue.Any)))
        {
            return true;
        }

        matches = tags.Any(tag => !tag.IsWeak && tag.Tag.Equals(ETag(account), StringComparison.Ordinal));
        expectedVersion = account.Version;
        return true;
    }

    private IActionResult Show(Account account, System.Text.Json.Nodes.JsonObject metadata)
    {
        Response.Headers.ETag = ETag(account);
        return Success(UserResponse.Of(account, metadata));
    }
}
