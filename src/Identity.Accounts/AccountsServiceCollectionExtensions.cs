using Identity.Accounts.Administration;
using Identity.Accounts.AspNetCoreIdentity;
using Identity.Accounts.Audit;
using Identity.Accounts.Changes;
using Identity.Accounts.Delivery;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Events;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.OneTimeCodes.Requests;
using Identity.Accounts.Passwords;
using Identity.Accounts.Profile;
using Identity.Accounts.Registration;
using Identity.Accounts.SecondFactors;
using Identity.Accounts.Sessions;
using Identity.Accounts.SignIn;
using Identity.ServiceDefaults.Settings;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Identity.Accounts;

/// <summary>Composition of the accounts side. The host adds stores and senders.</summary>
public static class AccountsServiceCollectionExtensions
{
    /// <param name="services">The host's.</param>
    /// <param name="allowWeakHash">Fewer than 210,000 iterations will do: Development only.</param>
    public static IServiceCollection AddIdentityAccounts(this IServiceCollection services, bool allowWeakHash = false)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddOptions<AccountsOptions>()
            .BindSection(AccountsOptions.Section)
            .Configure<IConfiguration>((accounts, configuration) => accounts.DefaultRegion = Setting.Text(configuration, "DEFAULT_REGION"));
        services.AddSingleton<IValidateOptions<AccountsOptions>>(new AccountsOptionsValidation(allowWeakHash));
        services.TryAddSingleton<ILookupNormalizer, LookupNormalizer>();
        services.AddOptions<PasswordHasherOptions>().Configure<IOptions<AccountsOptions>>((hasher, accounts) => hasher.IterationCount = accounts.Value.PasswordHashIterations);
        services.TryAddSingleton<IPasswordHasher<Account>, AccountPasswordHasher>();
        services.AddSingleton<LifecycleEvents>();
        services.AddSingleton<AuditTrail>();
        services.AddSingleton<AccountRules>();
        services.AddSingleton<AccountLookup>();
        services.AddSingleton<PasswordHashing>();
        services.AddSingleton<PasswordPolicy>();
        services.AddSingleton<PasswordStrength>();
        services.AddSingleton<LockoutNotice>();
        services.AddSingleton<Lockout>();
        services.AddSingleton<KnownDevices>();
        services.AddSingleton<FreshProof>();
        services.AddSingleton<AccessNotices>();
        services.AddSingleton<AccessRecovery>();
        services.AddSingleton<OwnerClaim>();
        services.AddSingleton<SessionService>();
        services.AddOptions<MailBrand>().BindConfiguration(MailBrand.Section).Validate(brand => brand.IsSound, "Branding: expected a Name of 1 to 60 characters, an AccentColor like #3050d8, https addresses as LogoUrl and SupportUrl (or mailto).");
        services.AddSingleton<MailComposer>();
        services.AddMetrics();
        services.AddSingleton<DeliveryMetrics>();
        services.AddSingleton<DeliveryQueue>();
        services.AddHostedService(provider => provider.GetRequiredService<DeliveryQueue>());
        services.AddSingleton<CodeRecipients>();
        services.AddSingleton<CodeLimits>();
        services.AddSingleton<CodeBinding>();
        services.AddSingleton<MaskedDestination>();
        services.AddSingleton<CodeMessages>();
        services.AddSingleton<CodeMaker>();
        services.AddSingleton<ProvenAddress>();
        services.AddSingleton<CodeSignIn>();
        services.AddSingleton<OneTimeCodeService>();
        services.TryAddSingleton<ICodeIssuer, RequestedCodes>();
        services.AddSingleton<ISignIn, PasswordSignIn>();
        services.AddSingleton<RegistrationService>();
        services.AddSingleton<RegistrationSignIn>();
        services.AddSingleton<PasswordService>();
        services.AddSingleton<AccountChangeService>();
        services.AddSingleton<AdminSeed>();
        services.AddSecondFactors();
        services.AddAspNetCoreIdentity();
        return services;
    }

    // Added before Identity's own, which stand back where there is one.
    private static void AddAspNetCoreIdentity(this IServiceCollection services)
    {
        services.TryAddScoped<IUserValidator<Account>, AccountUserValidator>();
        services.TryAddScoped<IPasswordValidator<Account>>(provider => provider.GetRequiredService<PasswordPolicy>());
        services.AddOptions<IdentityOptions>().Configure<IOptions<AccountsOptions>>((identity, accounts) =>
        {
            identity.Lockout.MaxFailedAccessAttempts = accounts.Value.LockoutThreshold;
            identity.Lockout.DefaultLockoutTimeSpan = accounts.Value.LockoutDuration;
        });
        services.AddIdentityCore<Account>().AddUserStore<AccountUserStore>().AddUserManager<AccountUserManager>();
    }
}

/// <summary>One line per setting that cannot be used.</summary>
internal sealed class AccountsOptionsValidation(bool allowWeakHash) : IValidateOptions<AccountsOptions>
{
    public ValidateOptionsResult Validate(string? name, AccountsOptions options)
    {
        var problems = new List<string>();
        void Check(bool sound, string setting, string expected)
        {
            if (!sound)
            {
                problems.Add($"{AccountsOptions.Section}:{setting}: expected {expected}.");
            }
        }

        Check(options.MinimumPasswordLength is >= 8 and <= 64, nameof(options.MinimumPasswordLength), "8 to 64");
        Check(options.MaximumPasswordLength is >= 64 and <= 1024, nameof(options.MaximumPasswordLength), "64 to 1024");
        Check(options.PasswordHashIterations >= (allowWeakHash ? 1_000 : 210_000) && options.PasswordHashIterations <= 10_000_000, nameof(options.PasswordHashIterations), allowWeakHash ? "1000 to 10000000" : "210000 to 10000000 outside Development");
        Check(options.LockoutThreshold is >= 3 and <= 100, nameof(options.LockoutThreshold), "3 to 100");
        Check(options.LockoutDuration >= TimeSpan.FromSeconds(10), nameof(options.LockoutDuration), "10 seconds or more");
        Check(options.SessionLifetime >= TimeSpan.FromMinutes(1), nameof(options.SessionLifetime), "a minute or more");
        Check(options.SessionIdleTimeout >= TimeSpan.FromMinutes(1), nameof(options.SessionIdleTimeout), "a minute or more");
        Check(options.OneTimeCodeLifetime >= TimeSpan.FromSeconds(30) && options.OneTimeCodeLifetime <= TimeSpan.FromMinutes(10), nameof(options.OneTimeCodeLifetime), "30 seconds to 10 minutes");
        Check(options.OneTimeCodeGuesses is >= 1 and <= 10, nameof(options.OneTimeCodeGuesses), "1 to 10");
        Check(options.OneTimeCodesPerAccount >= 1, nameof(options.OneTimeCodesPerAccount), "1 or more");
        Check(options.OneTimeCodesPerAddress >= 1, nameof(options.OneTimeCodesPerAddress), "1 or more");
        Check(options.SignInsPerAddress >= 1, nameof(options.SignInsPerAddress), "1 or more");
        Check(options.RegistrationsPerAddress >= 1, nameof(options.RegistrationsPerAddress), "1 or more");
        Check(options.OneTimeCodeKey.Length >= 32, nameof(options.OneTimeCodeKey), "32 bytes or more, derived from the master key by the host");
        Check(options.ResetGuessesPerAccount >= 5, nameof(options.ResetGuessesPerAccount), "5 or more");
        Check(options.WrongPasswordDelay >= TimeSpan.Zero && options.WrongPasswordDelay <= TimeSpan.FromSeconds(10), nameof(options.WrongPasswordDelay), "0 to 10 seconds");
        Check(options.DeletionGrace >= TimeSpan.Zero && options.DeletionGrace <= TimeSpan.FromDays(30), nameof(options.DeletionGrace), "0 to 30 days");
        Check(options.AuditDays is >= 1 and <= 3650, nameof(options.AuditDays), "1 to 3650");
        if (options.DefaultRegion is { } region && !AccountRules.IsRegion(region))
        {
            problems.Add("DEFAULT_REGION: expected the region of national phone numbers in two capital letters, such as DE.");
        }

        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }
}
