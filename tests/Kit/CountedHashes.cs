using Identity.Accounts;
using Identity.Accounts.Passwords;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Kit;

/// <summary>The server's own password hashes, and how many were worked for: what a sign-in costs, on every machine alike.</summary>
public sealed class CountedHashes
{
    private int _count;

    public int Count => Volatile.Read(ref _count);

    public void AddTo(IServiceCollection services) =>
        services.AddSingleton<IPasswordHasher<Account>>(provider => new Hasher(this, ActivatorUtilities.CreateInstance<AccountPasswordHasher>(provider)));

    private sealed class Hasher(CountedHashes counted, IPasswordHasher<Account> inner) : IPasswordHasher<Account>
    {
        public string HashPassword(Account user, string password)
        {
            Interlocked.Increment(ref counted._count);
            return inner.HashPassword(user, password);
        }

        public PasswordVerificationResult VerifyHashedPassword(Account user, string hashedPassword, string providedPassword)
        {
            Interlocked.Increment(ref counted._count);
            return inner.VerifyHashedPassword(user, hashedPassword, providedPassword);
        }
    }
}
