// GDPR Art. 15, 17 and 20: one's own data, and its end.
using Identity.Accounts;
using Identity.Accounts.Administration;
using Identity.Accounts.Audit;
using Identity.Api.Authentication;
using Identity.Api.Contracts;
using Identity.Api.Failures;
using Identity.Api.OpenApi;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.ModelBinding;

namespace Identity.Api.Controllers;

/// <summary>GET /users/{id}/data, DELETE /users/{id}.</summary>
[Route("api/identity/users")]
[Tags("Users")]
[Authorize(AuthenticationSchemes = AccessTokenHandler.SchemeName)]
public sealed class PersonalDataController(PersonalData data, AccountDeletion deletion, AccountErasure erasure, IAccountStore accounts, AuditTrail audit, UserAccess access) : ContractController
{
    private const string NoUser = "There is no such user.";
    private const string Changed = "The user has changed since.";
    private const string BadToken = "The access token is not valid here: malformed, expired, revoked, or for another service.";
    private const string NotYours = "This is not yours to see or do.";
    private const string WrongPassword = "The current password is not right.";
    private const string ProofRequired = "Send currentPassword, or sign in again first.";

    [HttpGet("{id}/data", Name = "getUserData")]
    [EndpointSummary("Read all that is kept about a user")]
    [EndpointDescription("For the user, by a token of /login, or an administrator: the user, its metadata, and its sessions, consents, devices and audit records as they are stored. Never a hash, key, code or token.")]
    [ProducesResponseType<PersonalDataResponse>(StatusCodes.Status200OK)]
    [Fails(401, ErrorCodes.InvalidToken, BadToken)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    [Fails(404, ErrorCodes.UserNotFound, NoUser)]
    public async Task<IActionResult> GetAsync(string id, CancellationToken cancellationToken)
    {
        if ((await access.CheckSelfOrAdminAsync(HttpContext, id)).Failure is { } failure)
        {
            return failure;
        }

        if (!Guid.TryParseExact(id, "D", out var user) || await data.ReadAsync(user, cancellationToken) is not { } found)
        {
            return new Failure(StatusCodes.Status404NotFound, ErrorCodes.UserNotFound, NoUser);
        }

        await audit.WriteAsync("data_export", "success", user, Actor(), sessionId: null, CancellationToken.None);
        return Success(found);
    }

    [HttpDelete("{id}", Name = "deleteUser")]
    [EndpointSummary("Delete a user")]
    [EndpointDescription("The user itself: with currentPassword, or within ten minutes of signing in; the account is disabled at once and erased 14 days later, until when an administrator can give it back. An administrator deletes others at once. Every session ends. With If-Match only the version read before is deleted.")]
    [RequestExample("""{"currentPassword":"correct horse battery"}""")]
    [ProducesResponseType(StatusCodes.Status204NoContent)]
    [Fails(400, ErrorCodes.InvalidCurrentPassword, WrongPassword)]
    [Fails(401, ErrorCodes.InvalidToken, BadToken)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    [Fails(403, ErrorCodes.ReauthenticationRequired, ProofRequired)]
    [Fails(404, ErrorCodes.UserNotFound, NoUser)]
    [Fails(409, ErrorCodes.Conflict, Changed)]
    [Fails(409, ErrorCodes.LastAdmin, LastAdmin.Message)]
    [Fails(412, ErrorCodes.PreconditionFailed, Changed)]
    public async Task<IActionResult> DeleteAsync(string id, [FromBody(EmptyBodyBehavior = EmptyBodyBehavior.Allow)] DeleteUserRequest? request, CancellationToken cancellationToken)
    {
        if ((await access.CheckSelfOrAdminAsync(HttpContext, id)).Failure is { } failure)
        {
            return failure;
        }

        if (!Guid.TryParseExact(id, "D", out var user) || await accounts.FindAsync(user, cancellationToken) is not { } account)
        {
            return new Failure(StatusCodes.Status404NotFound, ErrorCodes.UserNotFound, NoUser);
        }

        var isConditional = UserVersion.TryReadIfMatch(Request, account, out var expectedVersion, out var matches);
        if (!matches)
        {
            return new Failure(StatusCodes.Status412PreconditionFailed, ErrorCodes.PreconditionFailed, Changed);
        }

        // One's own account needs the proof, an administrator's own too.
        var caller = CallerToken.Of(HttpContext);
        var outcome = caller.AccountId == user
            ? await deletion.RequestAsync(user, caller.Token.SessionId!, request?.CurrentPassword, expectedVersion, Actor(), cancellationToken)
            : await erasure.EraseAsync(user, expectedVersion, Actor(), cancellationToken) switch
            {
                Erasure.Done => DeletionRequest.Done,
                Erasure.NotFound => DeletionRequest.NotFound,
                Erasure.LastAdmin => DeletionRequest.LastAdmin,
                _ => DeletionRequest.Conflict,
            };
        return outcome switch
        {
            DeletionRequest.Done => NoContent(),
            DeletionRequest.NotFound => new Failure(StatusCodes.Status404NotFound, ErrorCodes.UserNotFound, NoUser),
            DeletionRequest.LastAdmin => LastAdmin.Failure,
            DeletionRequest.WrongPassword => new Failure(StatusCodes.Status400BadRequest, ErrorCodes.InvalidCurrentPassword, WrongPassword),
            DeletionRequest.ProofRequired => new Failure(StatusCodes.Status403Forbidden, ErrorCodes.ReauthenticationRequired, ProofRequired),
            DeletionRequest.Conflict => isConditional
                ? new Failure(StatusCodes.Status412PreconditionFailed, ErrorCodes.PreconditionFailed, Changed)
                : new Failure(StatusCodes.Status409Conflict, ErrorCodes.Conflict, Changed),
            _ => throw new InvalidOperationException("An unknown result."),
        };
    }
}
