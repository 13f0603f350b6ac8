using System.Net.Mime;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Net.Http.Headers;

namespace Identity.Server.Pages.Branding;

/// <summary>/brand.css and /brand/logo.</summary>
internal static class BrandEndpoints
{
    public static void MapBrand(this IEndpointRouteBuilder endpoints)
    {
        endpoints.MapGet("/brand.css", (Brand brand, HttpContext context) =>
        {
            // Pages ask for it with its version; without one it must be asked for again.
            context.Response.Headers.CacheControl = context.Request.Query["v"] == brand.Version ? "public, max-age=31536000, immutable" : "no-cache";
            context.Response.Headers.XContentTypeOptions = "nosniff";
            return TypedResults.Text(brand.Stylesheet, "text/css; charset=utf-8");
        }).ExcludeFromDescription();

        endpoints.MapGet("/brand/logo", Results<PhysicalFileHttpResult, NotFound> (Brand brand, HttpContext context) =>
        {
            if (brand.Options.LogoFile is not { } file || LogoType(file) is not { } type)
            {
                return TypedResults.NotFound();
            }

            // An SVG opened by itself is a document: it gets no script and no frame either.
            context.Response.Headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; sandbox";
            context.Response.Headers.XContentTypeOptions = "nosniff";
            context.Response.Headers.CacheControl = "public, max-age=3600";
            return TypedResults.PhysicalFile(Path.GetFullPath(file), type, entityTag: new EntityTagHeaderValue($"\"{brand.Version}\""));
        }).ExcludeFromDescription();
    }

    public static string? LogoType(string file) => Path.GetExtension(file).ToLowerInvariant() switch
    {
        ".svg" => MediaTypeNames.Image.Svg,
        ".png" => MediaTypeNames.Image.Png,
        ".webp" => MediaTypeNames.Image.Webp,
        _ => null,
    };
}
