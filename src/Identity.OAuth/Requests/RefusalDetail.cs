// RFC 6749 §5.2: error_description is for the client's developer; the detail behind it is for the log, and never a secret.
using OpenIddict.Server;

namespace Identity.OAuth.Requests;

/// <summary>Why a request was refused, kept with it for the log.</summary>
public static class RefusalDetail
{
    private const string Name = "identity.refusal";

    public static void Set(OpenIddictServerTransaction transaction, string? detail)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        if (detail is not null)
        {
            transaction.SetProperty(Name, detail);
        }
    }

    public static string? Of(OpenIddictServerTransaction transaction) => transaction.GetProperty<string>(Name);
}
