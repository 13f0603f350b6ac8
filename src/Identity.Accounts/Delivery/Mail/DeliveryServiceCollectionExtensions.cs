using Identity.Accounts.Data;
using Identity.Accounts.Delivery;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Delivery.Sms;
using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registration of mail, SMS and push.</summary>
public static class DeliveryServiceCollectionExtensions
{
    /// <summary>An <see cref="IMessageSender"/> each for <c>email</c> and <c>sms</c>: the configured server, else files; and one for <c>push</c> where a provider is set.</summary>
    public static IServiceCollection AddDelivery(this IServiceCollection services, DeliverySettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(settings);
        if (settings.Smtp is null)
        {
            services.AddSingleton<IMessageSender, FileMailSender>();
        }
        else
        {
            services.AddSingleton<IMessageSender, SmtpMailSender>();
        }

        if (settings.SmsWebhook is null)
        {
            services.AddSingleton<IMessageSender, FileSmsSender>();
        }
        else
        {
            services.AddSingleton<IMessageSender, WebhookSmsSender>();
        }

        return services.AddPushOutbox(settings.Push);
    }

    /// <summary>Sends the notices that wait in the store, from this process: every server does, and no worker, which may have another mail server. Needs <see cref="AddDelivery"/>, the stores and their master key.</summary>
    public static IServiceCollection AddMailDelivery(this IServiceCollection services)
    {
        services.AddMetrics();
        services.AddSingleton<MailMetrics>();
        services.AddSingleton(provider => new MailDelivery(
            provider.GetRequiredService<StoreDatabase>(),
            provider.GetRequiredService<MailOutbox>(),
            provider.GetServices<IMessageSender>(),
            provider.GetRequiredService<MailMetrics>(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<MailDelivery>>()));
        return services.AddHostedService(provider => provider.GetRequiredService<MailDelivery>());
    }
}
