using Identity.Accounts.Credentials;
using Identity.Accounts.Data;
using Identity.Accounts.Events;
using Identity.Accounts.Import;
using Identity.Accounts.Profile;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace Identity.Accounts.Administration;

/// <summary>Composition of what administrators do: roles, making accounts, bringing them along, deleting them.</summary>
internal static class AccountWorkExtensions
{
    public static IServiceCollection AddAccountWork(this IServiceCollection services)
    {
        // Of both, the hosts' own where they add them.
        services.TryAddSingleton<LifecycleEvents>();
        services.TryAddSingleton<AccountRules>();
        services.TryAddSingleton<ILookupNormalizer, LookupNormalizer>();
        services.AddSingleton(provider => new RoleCatalog(provider.GetRequiredService<StoreDatabase>(), provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(provider => new AccountIntake(provider.GetRequiredService<StoreDatabase>(), provider.GetRequiredService<LifecycleEvents>()));
        services.AddSingleton(provider => new AccountErasure(
            provider.GetRequiredService<StoreDatabase>(),
            provider.GetRequiredService<ICredentialStore>(),
            provider.GetRequiredService<IMetadataStore>(),
            provider.GetRequiredService<LifecycleEvents>(),
            provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(provider => new PersonalData(
            provider.GetRequiredService<StoreDatabase>(),
            provider.GetRequiredService<IAccountStore>(),
            provider.GetRequiredService<ICredentialStore>(),
            provider.GetRequiredService<IMetadataStore>(),
            provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<AccountAdministration>();
        services.AddSingleton<AccountDeletion>();
        services.AddSingleton<ImportReader>();
        services.AddSingleton<UserImport>();
        services.AddSingleton<UserFileImport>();
        services.AddSingleton(provider => new ImportJobs(
            provider.GetRequiredService<StoreDatabase>(),
            provider.GetRequiredService<AccountIntake>(),
            provider.GetRequiredService<UserImport>(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<ImportJobs>>()));
        services.AddHostedService<ImportLoop>();
        return services;
    }
}
