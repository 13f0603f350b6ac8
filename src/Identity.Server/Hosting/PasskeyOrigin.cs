// WebAuthn Level 3 §7.1 step 9 and §7.2 step 12: passkeys are made and used at the issuer's origin, whatever the Host header says.
using Identity.Accounts.SecondFactors;
using Identity.Server.Pages.Branding;
using Microsoft.AspNetCore.Identity;

namespace Identity.Server.Hosting;

/// <summary>What second factors have to know of this server.</summary>
internal static class PasskeyOrigin
{
    public static IServiceCollection AddSecondFactorHosting(this IServiceCollection services, ServerSettings settings)
    {
        var issuer = new Uri(settings.PublicUrl);
        var origin = issuer.GetLeftPart(UriPartial.Authority);
        services.AddOptions<IdentityPasskeyOptions>().Configure(options =>
        {
            options.ServerDomain = issuer.Host;

            // No page of ours is in anybody's frame (frame-ancestors): whoever says that one was has made it up, whatever crossOrigin says.
            options.ValidateOrigin = context => ValueTask.FromResult(!context.CrossOrigin && context.TopOrigin is null && string.Equals(context.Origin, origin, StringComparison.Ordinal));
        });

        // Read as it is written: a brand that cannot be used has a line of its own at the start.
        services.AddOptions<SecondFactorOptions>().PostConfigure<IConfiguration>((factors, configuration) =>
            factors.Issuer ??= new string([.. (configuration[BrandingOptions.Section + ":" + nameof(BrandingOptions.Name)] ?? new BrandingOptions().Name).Where(letter => letter != ':').Take(64)]));
        services.AddSingleton<SignInCookies>();
        return services;
    }
}
