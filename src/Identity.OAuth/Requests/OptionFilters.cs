// RFC 6749: follows OpenIddictServerHandlerFilters and OpenIddictServerAspNetCoreHandlerFilters: those of them that ask nothing of a request, so that the dispatcher asks them once.
using OpenIddict.Server;
using static OpenIddict.Server.AspNetCore.OpenIddictServerAspNetCoreHandlerFilters;
using static OpenIddict.Server.OpenIddictServerHandlerFilters;

namespace Identity.OAuth.Requests;

/// <summary>Filters whose answer is the same for every request under the same options.</summary>
internal static class OptionFilters
{
    private static readonly Dictionary<Type, Func<OpenIddictServerOptions, bool>> s_answers = new()
    {
        // All requests come by HTTP here.
        [typeof(RequireHttpRequest)] = _ => true,
        [typeof(RequireAuthorizationStorageEnabled)] = options => !options.DisableAuthorizationStorage,
        [typeof(RequireDegradedModeDisabled)] = options => !options.EnableDegradedMode,
        [typeof(RequireEndpointPermissionsEnabled)] = options => !options.IgnoreEndpointPermissions,
        [typeof(RequireGrantTypePermissionsEnabled)] = options => !options.IgnoreGrantTypePermissions,
        [typeof(RequireReferenceAccessTokensEnabled)] = options => options.UseReferenceAccessTokens,
        [typeof(RequireReferenceRefreshTokensEnabled)] = options => options.UseReferenceRefreshTokens,
        [typeof(RequireResponseTypePermissionsEnabled)] = options => !options.IgnoreResponseTypePermissions,
        [typeof(RequireScopePermissionsEnabled)] = options => !options.IgnoreScopePermissions,
        [typeof(RequireScopeValidationEnabled)] = options => !options.DisableScopeValidation,
        [typeof(RequireSlidingRefreshTokenExpirationEnabled)] = options => !options.DisableSlidingRefreshTokenExpiration,
        [typeof(RequireTokenStorageEnabled)] = options => !options.DisableTokenStorage,
    };

    public static IEnumerable<Type> All => s_answers.Keys;

    /// <summary>Null: it depends on the request.</summary>
    public static bool? IsActive(Type filter, OpenIddictServerOptions options) => s_answers.TryGetValue(filter, out var answer) ? answer(options) : null;
}
