// What bench/run.sh holds this server against.
//   Peers bare  URL            OpenIddict's pipeline in degraded mode: nothing stored, one secret, a token
//   Peers stock URL POSTGRES   OpenIddict with EF Core on PostgreSQL, as its documentation sets it up
//   Peers fixed URL BYTES …    Kestrel with a text of so many bytes at /1, the next at /2
//   Peers hash SECONDS         password hashes a second, on as many threads as there are cores
using System.Globalization;
using Peers;

switch (args[0])
{
    case "fixed":
        await FixedText.RunAsync(args[1], [.. args[2..].Select(size => int.Parse(size, CultureInfo.InvariantCulture))]);
        break;
    case "hash":
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{PasswordHash.PerSecond(TimeSpan.FromSeconds(double.Parse(args[1], CultureInfo.InvariantCulture))):F2}"));
        break;
    default:
        await OpenIddictPeer.RunAsync(args[1], args.ElementAtOrDefault(2));
        break;
}
