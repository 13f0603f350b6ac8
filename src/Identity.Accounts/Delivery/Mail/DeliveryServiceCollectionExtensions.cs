using Identity.Accounts.Delivery;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Delivery.Sms;
using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.DependencyInjection.Extensions;

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
}
