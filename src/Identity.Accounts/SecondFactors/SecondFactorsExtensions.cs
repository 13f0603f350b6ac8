using Identity.Accounts.PushSignIn;
using Identity.ServiceDefaults.Settings;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.SecondFactors;

/// <summary>Composition of second factors. The host adds Data Protection, and says by <see cref="IdentityPasskeyOptions"/> at which origin passkeys are used.</summary>
internal static class SecondFactorsExtensions
{
    public static IServiceCollection AddSecondFactors(this IServiceCollection services)
    {
        services.AddOptions<SecondFactorOptions>().BindSection(SecondFactorOptions.Section);
        services.AddSingleton<IValidateOptions<SecondFactorOptions>, SecondFactorOptionsValidation>();
        services.AddOptions<PushSignInOptions>().BindSection(PushSignInOptions.Section);
        services.AddSingleton<IValidateOptions<PushSignInOptions>, PushSignInOptionsValidation>();
        services.AddSingleton<FactorTickets>();
        services.AddSingleton<SecondFactorPolicy>();
        services.AddSingleton<AuthenticationContexts>();
        services.AddSingleton<Authenticator>();
        services.AddSingleton<RecoveryCodes>();
        services.AddSingleton<FactorNotices>();
        services.AddSingleton<FactorRevocation>();
        services.AddSingleton<Profile.IGrantedAccess>(provider => provider.GetRequiredService<FactorRevocation>());
        services.TryAddScoped<IPasskeyHandler<Account>, PasskeyHandler<Account>>();
        services.AddOptions<IdentityPasskeyOptions>().Configure(options =>
        {
            // Found without a name typed first, and never without its owner's finger, face or PIN: two factors in one.
            options.UserVerificationRequirement = "required";
            options.ResidentKeyRequirement = "required";
            options.AttestationConveyancePreference = "none";
            options.AuthenticatorTimeout = FactorTickets.Lifetime;
        });
        services.AddScoped<Passkeys>();
        services.AddScoped<FactorProver>();

        // Made when it is asked for: it finishes external sign-ins as well, which are there only with stores of their own.
        services.AddScoped(provider => ActivatorUtilities.CreateInstance<SecondFactorSignIn>(provider));
        services.AddScoped<FactorEnrolment>();
        services.AddScoped<FirstFactor>();

        // Likewise: it asks devices, which are there only with stores of their own.
        services.AddScoped(provider => ActivatorUtilities.CreateInstance<PhoneSignIn>(provider));
        return services;
    }
}
