using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Api.Json;
using Microsoft.AspNetCore.Mvc.ModelBinding.Validation;

namespace Identity.Api.Contracts;

/// <summary>Body of PUT /users/{id}. What is absent stays as it is; null or empty removes, where there may be nothing.</summary>
[ValidateNever]
public sealed record UpdateUserRequest
{
    // Members of a user that no PUT sets: naming them is better than a 200 that did nothing.
    private static readonly (string Name, string Instead)[] Refused =
    [
        ("password", "use POST /password/change, or POST /users/{id}/password as an administrator"),
        ("passwordHash", "use POST /users or POST /users/import"),
        ("emailVerified", "a code sent there proves it (POST /otp/verify)"),
        ("phoneNumberVerified", "a code sent there proves it (POST /otp/verify)"),
    ];

    private static readonly string[] Names = ["email", "userName", "phoneNumber", "firstName", "lastName", "metadata", "isActive", "roles"];

    /// <summary>The e-mail address.</summary>
    public string? Email { get; init; }

    /// <summary>A name to sign in with.</summary>
    public string? UserName { get; init; }

    /// <summary>E.164.</summary>
    public string? PhoneNumber { get; init; }

    /// <summary>Given name.</summary>
    public string? FirstName { get; init; }

    /// <summary>Family name.</summary>
    public string? LastName { get; init; }

    /// <summary>Merged at top level; null removes a member. At most 16 KB in all.</summary>
    public JsonObject? Metadata { get; init; }

    /// <summary>Of the user, where the user changes e-mail, phone number or user name; not needed within ten minutes of a sign-in.</summary>
    public string? CurrentPassword { get; init; }

    /// <summary>For administrators.</summary>
    public bool? IsActive { get; init; }

    /// <summary>For administrators. Replaces all.</summary>
    public IReadOnlyList<string>? Roles { get; init; }

    /// <summary>The members that were sent, null included.</summary>
    internal IReadOnlySet<string> Sent { get; init; } = new HashSet<string>(StringComparer.Ordinal);

    internal static UpdateUserRequest Read(JsonBody body)
    {
        var request = new UpdateUserRequest
        {
            Email = body.Email("email"),
            UserName = body.UserName("userName"),
            PhoneNumber = body.PhoneNumber("phoneNumber"),
            FirstName = body.PersonName("firstName"),
            LastName = body.PersonName("lastName"),
            Metadata = body.Metadata("metadata"),
            CurrentPassword = body.Text("currentPassword", Formats.LongestPassword),
            IsActive = body.Flag("isActive"),
            Roles = body.Texts("roles", AccountRules.MostRoles, AccountRules.LongestRole),
            Sent = Names.Where(body.Has).ToHashSet(StringComparer.Ordinal),
        };
        foreach (var (name, instead) in Refused)
        {
            if (body.Has(name))
            {
                body.Problem($"{name} cannot be set here: {instead}");
            }
        }

        var problems = body.Problems.Count;
        foreach (var name in (ReadOnlySpan<string>)["email", "isActive", "roles", "metadata"])
        {
            var missing = name switch
            {
                "email" => request.Email is null,
                "isActive" => request.IsActive is null,
                "roles" => request.Roles is null,
                _ => request.Metadata is null,
            };
            if (problems == 0 && missing && request.Sent.Contains(name))
            {
                body.Problem($"{name} should not be empty");
            }
        }

        return request;
    }
}
