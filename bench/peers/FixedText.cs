namespace Peers;

/// <summary>The ceiling for a document that never changes: the web server, and bytes that are there already.</summary>
internal static class FixedText
{
    public static async Task RunAsync(string url, int[] sizes)
    {
        var texts = sizes.Select((size, i) => (Path: $"/{i + 1}", Bytes: new ReadOnlyMemory<byte>([.. Enumerable.Repeat((byte)'x', size)]))).ToArray();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls(url);
        var app = builder.Build();
        app.Run(async context =>
        {
            var bytes = Array.Find(texts, text => context.Request.Path == text.Path).Bytes;
            context.Response.ContentType = "application/json;charset=UTF-8";
            context.Response.ContentLength = bytes.Length;
            await context.Response.Body.WriteAsync(bytes, context.RequestAborted);
        });
        await app.RunAsync();
    }
}
