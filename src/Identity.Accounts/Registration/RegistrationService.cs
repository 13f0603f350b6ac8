// NIST SP 800-63A and OWASP ASVS 5.0 §6.3.8: making accounts, without telling strangers who has one where that is asked for.
using System.Text;
using System.Text.Json.Nodes;
using Identity.Accounts.Audit;
using Identity.Accounts.Credentials;
using Identity.Accounts.Delivery;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Events;
using Identity.Accounts.Passwords;
using Identity.Accounts.RateLimits;
using Identity.Accounts.Texts;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.Registration;

/// <summary>Makes accounts.</summary>
public sealed class RegistrationService(
    IAccountStore accounts,
    ILookupNormalizer normalizer,
    AccountRules rules,
    PasswordPolicy policy,
    PasswordHashing hashing,
    LifecycleEvents events,
    AuditTrail audit,
    DeliveryQueue delivery,
    MailComposer mail,
    IRateLimiter limiter,
    IOptions<AccountsOptions> options,
    TimeProvider timeProvider)
{
    /// <summary>Bytes of JSON.</summary>
    public const int MetadataLimit = 16 * 1024;

    // Whoever registers an address again and again must not fill its mailbox.
    private const int MailsPerDay = 3;

    /// <param name="account">Who registers.</param>
    /// <param name="conceal">Never tell that an account exists, whatever <see cref="AccountsOptions.ConcealExistingAccounts"/> says: the page.</param>
    /// <param name="caller">From where.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<RegistrationResult> RegisterAsync(NewAccount account, bool conceal, Caller caller, CancellationToken cancellationToken)
    {
        var lease = await limiter.AcquireAsync("register", caller.From, options.Value.RegistrationsPerAddress, TimeSpan.FromMinutes(1), cancellationToken);
        if (!lease.Allowed)
        {
            return new RegistrationResult.RateLimited(lease.RetryAfter);
        }

        var problems = policy.FindProblems(account.Password, [account.Email, account.UserName, account.FirstName, account.LastName]);
        if (problems.Count > 0)
        {
            return new RegistrationResult.PasswordRefused(problems);
        }

        var extra = WithoutNulls(account.Metadata);
        if (Encoding.UTF8.GetByteCount(extra.ToJsonString()) > MetadataLimit)
        {
            return new RegistrationResult.MetadataTooLarge();
        }

        var hash = await hashing.HashForRegistrationAsync(account.Password, cancellationToken);
        var created = Create(account);
        created.Claim = AccountClaim.Unproven;
        var outcome = await accounts.CreateAsync(created, new AccountCredentials(created.Id, hash, created.CreatedAt), [events.OfUser(EventTypes.UserCreated, created)], cancellationToken, extra);
        if (outcome == AccountWrite.Done)
        {
            await audit.WriteAsync("register", "success", created.Id, caller, sessionId: null, CancellationToken.None);
            return new RegistrationResult.Created(created, extra);
        }

        await audit.WriteAsync("register", outcome.ToString(), accountId: null, caller, sessionId: null, cancellationToken);
        if (!conceal && !options.Value.ConcealExistingAccounts)
        {
            return new RegistrationResult.Taken(outcome);
        }

        if (!await MayTellAsync(created, caller, cancellationToken))
        {
            return new RegistrationResult.Created(created, extra);
        }

        // Whoever reads the mail of this address learns what the answer does not say: that it has an account, or why it got none.
        var owner = await accounts.FindByEmailAsync(created.NormalizedEmail, cancellationToken);
        var (name, path) = owner is null ? ("NameTaken", "/register") : ("ExistingAccount", "/signin");
        var culture = Languages.Of(owner);
        var link = options.Value.PublicUrl is { } url ? new MailLink(AccountTexts.In(culture, name + ".Lead"), AccountTexts.In(culture, name + ".Button"), url + path) : null;
        delivery.PostNotice("email", mail.Compose(created.Email, owner, new MailContent(AccountTexts.In(culture, name + ".Subject"), AccountTexts.In(culture, name + ".Text")) { Link = link }, culture));
        return new RegistrationResult.Created(created, extra);
    }

    /// <summary>An account as it is made, with normalized names and a first security stamp.</summary>
    public Account Create(NewAccount account)
    {
        var now = timeProvider.GetUtcNow();
        var email = AccountRules.Email(account.Email) ?? account.Email.Trim();
        var userName = AccountRules.UserName(account.UserName) ?? account.UserName;
        return new Account
        {
            Id = Guid.CreateVersion7(now),
            Email = email,
            NormalizedEmail = normalizer.NormalizeEmail(email),
            UserName = userName,
            NormalizedUserName = normalizer.NormalizeName(userName),
            PhoneNumber = rules.PhoneNumber(account.PhoneNumber) ?? account.PhoneNumber,
            FirstName = account.FirstName,
            LastName = account.LastName,
            CreatedAt = now,
            UpdatedAt = now,
            SecurityStamp = Guid.NewGuid().ToString("N"),
        };
    }

    // These mails go to whatever address a stranger names: no more of them than of codes, from one caller and to one mailbox.
    private async Task<bool> MayTellAsync(Account named, Caller caller, CancellationToken cancellationToken) =>
        (await limiter.AcquireAsync("register_mail", caller.From, options.Value.OneTimeCodesPerAddress, TimeSpan.FromMinutes(15), cancellationToken)).Allowed
        && (await limiter.AcquireAsync("register_mail_to:" + named.NormalizedEmail, MailsPerDay, TimeSpan.FromDays(1), cancellationToken)).Allowed;

    internal static JsonObject WithoutNulls(JsonObject? source)
    {
        var result = new JsonObject();
        foreach (var (name, value) in source ?? [])
        {
            if (value is not null)
            {
                result[name] = value.DeepClone();
            }
        }

        return result;
    }
}
