namespace Identity.Tests.Repository;

/// <summary>The folder that holds Identity.sln, found from where the tests run.</summary>
internal static class RepositoryRoot
{
    public static string Path { get; } = Find();

    private static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(folder.FullName, "Identity.sln")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException("Identity.sln is in no folder above " + AppContext.BaseDirectory);
    }
}
