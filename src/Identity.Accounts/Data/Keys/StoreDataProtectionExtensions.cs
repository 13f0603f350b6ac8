using Identity.Accounts.Data.Mongo;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Profile;
using Identity.ServiceDefaults.Settings;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Accounts.Data.Keys;

/// <summary>Composition of keys at rest.</summary>
public static class StoreDataProtectionExtensions
{
    /// <summary>
    /// Data Protection with its key ring in the store, encrypted under the master key; and the key of one-time codes, derived from
    /// the master key (<see cref="AccountsOptions.OneTimeCodeKey"/>).
    /// Needs <see cref="SqlStoresExtensions.AddSqlStores"/>; <see cref="SqlStoresExtensions.InitializeStoresAsync"/> then checks the key.
    /// </summary>
    public static IDataProtectionBuilder AddStoreDataProtection(this IServiceCollection services)
    {
        services.AddSingleton(provider => MasterKey.Load(provider.GetRequiredService<StorageSettings>()));
        services.AddSingleton<StoreKeyRing>();
        services.AddSingleton(provider => new DatabaseCopy(
            provider.GetRequiredService<StoreDatabase>(),
            provider.GetRequiredService<MasterKey>(),
            provider.GetRequiredService<IMetadataStore>(),
            provider.GetService<MongoCredentialStore>(),
            provider.GetService<FactorSecrets>(),
            provider.GetService<DeviceSecrets>()));
        services.AddOptions<KeyManagementOptions>().Configure<MasterKey>((options, masterKey) => options.XmlEncryptor = new MasterKeyXmlEncryptor(masterKey));
        services.AddOptions<AccountsOptions>().Configure<MasterKey>((options, masterKey) => options.OneTimeCodeKey = masterKey.Derive("one-time-code"));

        // A fixed name: nodes and the worker share the ring, wherever they are installed.
        services.AddScoped(provider => provider.GetRequiredService<StoreDatabase>().CreateContext());
        return services.AddDataProtection().SetApplicationName("identity").PersistKeysToDbContext<IdentityDbContext>();
    }
}
