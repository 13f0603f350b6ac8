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

/// <summary>GET /roles; PUT and DELETE /roles/{name}.</summary>
[Route("api/identity/roles")]
[Tags("Administration")]
[Authorize(AuthenticationSchemes = AccessTokenHandler.SchemeName)]
public sealed class RolesController(RoleCatalog roles, UserAccess access, AuditTrail audit) : ContractController
{
    private const string NoRole = "There is no such role.";
    private const string BadToken = "The access token is not valid here: malformed, expired, revoked, or for another service.";
    private const string NotYours = "This is not yours to see or do.";

    [HttpGet(Name = "listRoles")]
    [EndpointSummary("List the roles that may be given")]
    [EndpointDescription("For an administrator, or a client with the scope identity.users.read.")]
    [ProducesResponseType<RolesResponse>(StatusCodes.Status200OK)]
    [Fails(401, ErrorCodes.InvalidToken, BadToken)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    [Fails(403, ErrorCodes.InsufficientScope, "The access token lacks the scope identity.users.read.")]
    public async Task<IActionResult> ListAsync(CancellationToken cancellationToken) =>
        await access.CheckAdminAsync(HttpContext, "identity.users.read")
        ?? Success(new RolesResponse([.. (await roles.ListAsync(cancellationToken)).Select(role => new RoleResponse(role.Name, role.Description, role.CreatedAt))]));

    [HttpPut("{name}", Name = "putRole")]
    [EndpointSummary("Make a role, or describe it anew")]
    [EndpointDescription("For administrators. The name is what tokens carry; its case counts.")]
    [RequestExample("""{"description":"May publish articles"}""")]
    [ProducesResponseType<SuccessResponse>(StatusCodes.Status200OK)]
    [ProducesResponseType<SuccessResponse>(StatusCodes.Status201Created)]
    [Fails(400, ErrorCodes.ValidationFailed, "name " + AccountRules.RoleRule)]
    [Fails(401, ErrorCodes.InvalidToken, BadToken)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    [Fails(409, ErrorCodes.RoleInUse, "This role is built in.")]
    public async Task<IActionResult> PutAsync(string name, [FromBody(EmptyBodyBehavior = EmptyBodyBehavior.Allow)] PutRoleRequest? request, CancellationToken cancellationToken)
    {
        if (await access.CheckAdminAsync(HttpContext) is { } failure)
        {
            return failure;
        }

        if (!AccountRules.IsRole(name))
        {
            return Failure.Validation(["name " + AccountRules.RoleRule]);
        }

        if (name == RoleCatalog.Admin)
        {
            return BuiltIn();
        }

        var isNew = await roles.PutAsync(name, request?.Description, cancellationToken);
        await AuditAsync(isNew ? "role_create" : "role_update");
        return isNew ? MadeAt($"/roles/{Uri.EscapeDataString(name)}", new SuccessResponse(true)) : Success(new SuccessResponse(true));
    }

    [HttpDelete("{name}", Name = "removeRole")]
    [EndpointSummary("Take a role away")]
    [EndpointDescription("For administrators. Not while somebody has it.")]
    [ProducesResponseType(StatusCodes.Status204NoContent)]
    [Fails(401, ErrorCodes.InvalidToken, BadToken)]
    [Fails(403, ErrorCodes.Forbidden, NotYours)]
    [Fails(404, ErrorCodes.RoleNotFound, NoRole)]
    [Fails(409, ErrorCodes.RoleInUse, "Somebody has this role.")]
    public async Task<IActionResult> DeleteAsync(string name, CancellationToken cancellationToken)
    {
        if (await access.CheckAdminAsync(HttpContext) is { } failure)
        {
            return failure;
        }

        var removal = await roles.RemoveAsync(name, cancellationToken);
        if (removal == RoleRemoval.Done)
        {
            await AuditAsync("role_remove");
        }

        return removal switch
        {
            RoleRemoval.Done => NoContent(),
            RoleRemoval.NotFound => new Failure(StatusCodes.Status404NotFound, ErrorCodes.RoleNotFound, NoRole),
            RoleRemoval.BuiltIn => BuiltIn(),
            RoleRemoval.InUse => new Failure(StatusCodes.Status409Conflict, ErrorCodes.RoleInUse, "Somebody has this role."),
            _ => throw new InvalidOperationException("An unknown result."),
        };
    }

    // Done: the trail tells of it although the caller may have hung up.
    private Task AuditAsync(string action) => audit.WriteAsync(action, "success", accountId: null, Actor(), sessionId: null, CancellationToken.None);

    private static Failure BuiltIn() => new(StatusCodes.Status409Conflict, ErrorCodes.RoleInUse, "This role is built in.");
}
