using Identity.Accounts.SecondFactors;
using Identity.ServiceDefaults.Settings;

namespace Identity.Server.Pages;

/// <summary>Whether what a page says was sent can reach anybody. In Development it is a file that the console names, so there it does.</summary>
public sealed class Reach(DeliverySettings delivery, IHostEnvironment environment)
{
    /// <summary>Whether nothing carries messages of this channel away: they are files on the server, wherever that is.</summary>
    /// <param name="channel">email or sms.</param>
    public bool IsLocal(string channel) => channel == FactorKinds.Sms ? delivery.SmsWebhook is null : delivery.Smtp is null;

    /// <summary>Whether such files are lost on who waits for them: then no page may say that something was sent.</summary>
    /// <param name="channel">email or sms.</param>
    public bool IsLost(string channel) => IsLocal(channel) && !environment.IsDevelopment();
}
