using System.Text.Json.Nodes;
using Identity.Accounts.SignIn;

namespace Identity.Accounts.Changes;

/// <summary>A member that stays as it is (the default), or is set, to null where there may be nothing.</summary>
public readonly record struct Change<T>(bool IsSet, T? Value)
{
    public static implicit operator Change<T>(T? value) => new(true, value);
}

/// <summary>What is to change of an account.</summary>
public sealed record AccountChange
{
    /// <summary>
    /// Set where it is the person who changes their own account: e-mail, phone number and user name then need this proof, and a new address or
    /// number waits until a code proves it. Null: an administrator or a service, whose change holds at once.
    /// </summary>
    public PersonProof? ByPerson { get; init; }

    /// <summary>Drops the address and number that wait for a code.</summary>
    public bool DropsPending { get; init; }

    /// <summary>A new address is unverified until a code proves it.</summary>
    public Change<string> Email { get; init; }

    public Change<string> UserName { get; init; }

    public Change<string> PhoneNumber { get; init; }

    public Change<string> FirstName { get; init; }

    public Change<string> LastName { get; init; }

    /// <summary>Members of <see cref="Account.Profile"/>, merged at top level; null removes one.</summary>
    public JsonObject? Profile { get; init; }

    /// <summary>Merged at top level; null removes a member.</summary>
    public JsonObject? Metadata { get; init; }

    /// <summary>False ends every session at once.</summary>
    public bool? IsActive { get; init; }

    /// <summary>Replaces all; ends every session at once where they differ.</summary>
    public IReadOnlyList<string>? Roles { get; init; }
}

/// <summary>What a change came to.</summary>
public abstract record AccountChangeResult
{
    private AccountChangeResult()
    {
    }

    public sealed record Changed(Account Account, JsonObject Metadata) : AccountChangeResult;

    /// <summary>EmailTaken, UserNameTaken or PhoneNumberTaken.</summary>
    public sealed record Taken(AccountWrite Member) : AccountChangeResult;

    /// <summary>The version asked for is not the stored one.</summary>
    public sealed record Conflict : AccountChangeResult;

    public sealed record MetadataTooLarge : AccountChangeResult;

    /// <summary>The current password is wrong, or there was none and no sign-in of the last minutes. Nothing is changed.</summary>
    public sealed record ReauthenticationRequired : AccountChangeResult;

    /// <summary>Codes of a second step go to the address or number that would change: first the session proves such a step. Nothing is changed.</summary>
    public sealed record SecondStepRequired : AccountChangeResult;

    /// <summary>No code can be sent to what would wait for one, as too many were. Nothing is changed.</summary>
    public sealed record RateLimited(TimeSpan RetryAfter) : AccountChangeResult;

    /// <summary>The person chose a user name that could be somebody's phone number. Nothing is changed.</summary>
    public sealed record UserNameIsNumber : AccountChangeResult;

    /// <summary>A role that is to be given does not exist.</summary>
    public sealed record UnknownRole : AccountChangeResult;

    /// <summary>Nobody active would have the role admin any more. Nothing is changed.</summary>
    public sealed record LastAdmin : AccountChangeResult;

    public sealed record NotFound : AccountChangeResult;
}
