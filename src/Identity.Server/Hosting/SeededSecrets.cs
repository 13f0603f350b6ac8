using Identity.Accounts.Administration;

namespace Identity.Server.Hosting;

/// <summary>What a first start made, to be shown once and only when the server listens.</summary>
/// <param name="Admin">The first administrator; null: there was one.</param>
/// <param name="IsAdminMissing">There is no administrator, and ADMIN_EMAIL is the address of an account that is none.</param>
/// <param name="DemoServiceSecret">client_secret of demo-service; null: it has one already, or this is not Development.</param>
public sealed record SeededSecrets(SeededAdmin? Admin, bool IsAdminMissing, string? DemoServiceSecret)
{
    /// <summary>Without secrets, as records would print all they hold.</summary>
    public override string ToString() => nameof(SeededSecrets);
}
