using System.Xml.Linq;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.Data.Keys;

/// <summary>Data Protection's key ring in the store, so that all nodes have it. Its interface is synchronous; it is called rarely.</summary>
internal sealed class SqlXmlRepository(StoreDatabase database) : IXmlRepository
{
    public IReadOnlyCollection<XElement> GetAllElements() =>
        [.. database.ReadAsync((context, token) => context.DataProtectionKeys.OrderBy(r => r.Id).Select(r => r.Xml).ToListAsync(token), CancellationToken.None).GetAwaiter().GetResult().Select(XElement.Parse)];

    public void StoreElement(XElement element, string friendlyName)
    {
        ArgumentNullException.ThrowIfNull(element);
        database.WriteAsync(
            (context, token) =>
            {
                context.Add(new DataProtectionKeyRow { FriendlyName = friendlyName ?? "", Xml = element.ToString(SaveOptions.DisableFormatting) });
                return context.SaveChangesAsync(token);
            },
            CancellationToken.None).GetAwaiter().GetResult();
    }
}
