// RFC 9112 §3.2, §6.1 and §7.1: what two servers in a row would read as two different requests.
using System.Net.Sockets;
using System.Text;

namespace Identity.Tests.Security;

/// <summary>Requests that no client library sends, byte by byte.</summary>
public sealed class RawRequestTests(RunningServer server)
{
    private const string Form = "POST /connect/token HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n";

    [Theory]
    [InlineData("a chunk extension that ends with a line feed alone", Form + "Transfer-Encoding: chunked\r\n\r\n2;\na=\r\n0\r\n\r\n")]
    [InlineData("a chunk that ends with a line feed alone", Form + "Transfer-Encoding: chunked\r\n\r\n2\na=\r\n0\r\n\r\n")]
    [InlineData("two lengths of one body", Form + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na=\r\n0\r\n\r\n")]
    [InlineData("two different lengths", Form + "Content-Length: 2\r\nContent-Length: 3\r\n\r\na=b")]
    [InlineData("a length with a sign", Form + "Content-Length: +2\r\n\r\na=")]
    [InlineData("two hosts", "GET /signin HTTP/1.1\r\nHost: HOST\r\nHost: evil.example\r\nConnection: close\r\n\r\n")]
    [InlineData("no host", "GET /signin HTTP/1.1\r\nConnection: close\r\n\r\n")]
    [InlineData("another host in the first line", "GET http://evil.example/signin HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n")]
    [InlineData("a blank before the colon", "GET /signin HTTP/1.1\r\nHost : HOST\r\nConnection: close\r\n\r\n")]
    public async Task Request_ThatCouldBeReadInTwoWays_IsRefused(string what, string request) =>
        Assert.Equal((what, "HTTP/1.1 400"), (what, (await SendAsync(request))[..12]));

    [Theory]
    [InlineData("HTTP/1.1 400", Form + "Transfer-Encoding: chunked\r\n\r\n2\r\na=\r\n0\r\n\r\n", "\"error\"")]
    [InlineData("HTTP/1.1 200", "GET /signin HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n", "<form")]
    public async Task Request_AsItShouldBe_IsAnsweredByTheServerItself(string status, string request, string holds)
    {
        var answer = await SendAsync(request);
        Assert.Equal(status, answer[..12]);
        Assert.Contains(holds, answer, StringComparison.Ordinal);
    }

    private async Task<string> SendAsync(string request)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(server.Address.Host, server.Address.Port, TestContext.Current.CancellationToken);
        await using var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(request.Replace("HOST", server.Address.Authority, StringComparison.Ordinal)), TestContext.Current.CancellationToken);
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return await reader.ReadToEndAsync(TestContext.Current.CancellationToken);
    }
}
